"""The functions that are called, as the headers of libaravis 0.8 and GLib 2 declare them.

Those that the earlier 0.8 lack may be missing; whoever calls one asks first.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

_BOOLEAN = _INT = ctypes.c_int
_UINT = ctypes.c_uint
_INT64, _UINT64, _SIZE, _DOUBLE = ctypes.c_int64, ctypes.c_uint64, ctypes.c_size_t, ctypes.c_double
_OBJECT, _TEXT = ctypes.c_void_p, ctypes.c_char_p
_TYPE = ctypes.c_size_t  # GType

CONTROL_LOST_HANDLER = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)


class GValue(ctypes.Structure):
    """GLib's holder of a value of any type, all zero before it is initialised."""

    _fields_ = (("g_type", _TYPE), ("data", ctypes.c_uint64 * 2))


G_TYPE_INT, G_TYPE_UINT64 = 6 << 2, 11 << 2

BUFFER_SUCCESS, BUFFER_CLEARED = 0, 1
BUFFER_STATUS = {
    -1: "unknown to the driver",
    2: "incomplete when its time was over",
    3: "incomplete, with packets missing",
    4: "wrong, with a packet that does not belong to it",
    5: "of another size than the camera told",
    6: "still being filled",
    7: "broken off",
    8: "of a payload that the driver does not know",
}
PAYLOAD_IMAGE, PAYLOAD_CHUNK_DATA, PAYLOAD_EXTENDED_CHUNK_DATA = 1, 4, 5

ACCESS_READ_ONLY, ACCESS_WRITE_ONLY = 0, 1

DEVICE_ERROR = "arv-device-error-quark"
DEVICE_NOT_FOUND = 6
DEVICE_NOT_CONTROLLER = 10
DEVICE_ACCESS_DENIED = 17
DEVICE_BUSY = 18

PACKET_SIZE_ADJUSTMENT_NEVER = 0
PACKET_SOCKET_DISABLED = 1
SOCKET_BUFFER_FIXED = 0
PACKET_RESEND_NEVER, PACKET_RESEND_ALWAYS = 0, 1


@dataclass(frozen=True, slots=True)
class Signature:
    """What a function takes and returns.

    Attributes
    ----------
    fails
        Whether a ``GError **`` follows what it takes.
    may_be_missing
        Whether not every 0.8 has it.
    """

    returns: Any
    takes: tuple[Any, ...] = ()
    fails: bool = False
    may_be_missing: bool = False


def _to(kind: Any) -> Any:
    return ctypes.POINTER(kind)


ARAVIS = {
    # The library, and the devices that it sees
    "arv_get_major_version": Signature(_UINT),
    "arv_get_minor_version": Signature(_UINT),
    "arv_get_micro_version": Signature(_UINT),
    "arv_debug_enable": Signature(_BOOLEAN, (_TEXT,)),
    "arv_enable_interface": Signature(None, (_TEXT,)),
    "arv_disable_interface": Signature(None, (_TEXT,)),
    "arv_update_device_list": Signature(None),
    "arv_get_n_devices": Signature(_UINT),
    "arv_get_device_id": Signature(_TEXT, (_UINT,)),
    "arv_get_device_address": Signature(_TEXT, (_UINT,)),
    "arv_get_device_vendor": Signature(_TEXT, (_UINT,)),
    "arv_get_device_model": Signature(_TEXT, (_UINT,)),
    "arv_get_device_serial_nbr": Signature(_TEXT, (_UINT,)),
    "arv_get_device_protocol": Signature(_TEXT, (_UINT,)),
    # A camera
    "arv_camera_new": Signature(_OBJECT, (_TEXT,), fails=True),
    "arv_camera_get_device": Signature(_OBJECT, (_OBJECT,)),
    "arv_camera_create_stream": Signature(_OBJECT, (_OBJECT, _OBJECT, _OBJECT), fails=True),
    "arv_camera_get_vendor_name": Signature(_TEXT, (_OBJECT,), fails=True),
    "arv_camera_get_model_name": Signature(_TEXT, (_OBJECT,), fails=True),
    "arv_camera_get_device_serial_number": Signature(_TEXT, (_OBJECT,), fails=True),
    "arv_camera_get_payload": Signature(_UINT, (_OBJECT,), fails=True),
    "arv_camera_start_acquisition": Signature(None, (_OBJECT,), fails=True),
    "arv_camera_stop_acquisition": Signature(None, (_OBJECT,), fails=True),
    "arv_camera_is_gv_device": Signature(_BOOLEAN, (_OBJECT,)),
    "arv_camera_gv_auto_packet_size": Signature(_UINT, (_OBJECT,), fails=True),
    "arv_camera_gv_set_packet_size": Signature(None, (_OBJECT, _INT), fails=True),
    "arv_camera_gv_get_packet_size": Signature(_UINT, (_OBJECT,), fails=True),
    "arv_camera_gv_set_packet_size_adjustment": Signature(None, (_OBJECT, _INT)),
    "arv_camera_gv_set_packet_delay": Signature(None, (_OBJECT, _INT64), fails=True),
    "arv_camera_gv_get_packet_delay": Signature(_INT64, (_OBJECT,), fails=True),
    "arv_camera_gv_set_stream_options": Signature(None, (_OBJECT, _INT)),
    "arv_camera_is_uv_device": Signature(_BOOLEAN, (_OBJECT,)),
    "arv_gv_device_is_controller": Signature(_BOOLEAN, (_OBJECT,)),
    # Its features
    "arv_device_get_genicam_xml": Signature(_OBJECT, (_OBJECT, _to(_SIZE))),
    "arv_device_get_feature": Signature(_OBJECT, (_OBJECT, _TEXT)),
    "arv_device_execute_command": Signature(None, (_OBJECT, _TEXT), fails=True),
    "arv_device_get_boolean_feature_value": Signature(_BOOLEAN, (_OBJECT, _TEXT), fails=True),
    "arv_device_set_boolean_feature_value": Signature(None, (_OBJECT, _TEXT, _BOOLEAN), fails=True),
    "arv_device_get_string_feature_value": Signature(_TEXT, (_OBJECT, _TEXT), fails=True),
    "arv_device_set_string_feature_value": Signature(None, (_OBJECT, _TEXT, _TEXT), fails=True),
    "arv_device_get_integer_feature_value": Signature(_INT64, (_OBJECT, _TEXT), fails=True),
    "arv_device_set_integer_feature_value": Signature(None, (_OBJECT, _TEXT, _INT64), fails=True),
    "arv_device_get_integer_feature_bounds": Signature(
        None, (_OBJECT, _TEXT, _to(_INT64), _to(_INT64)), fails=True
    ),
    "arv_device_get_integer_feature_increment": Signature(_INT64, (_OBJECT, _TEXT), fails=True),
    "arv_device_get_float_feature_value": Signature(_DOUBLE, (_OBJECT, _TEXT), fails=True),
    "arv_device_set_float_feature_value": Signature(None, (_OBJECT, _TEXT, _DOUBLE), fails=True),
    "arv_device_get_float_feature_bounds": Signature(
        None, (_OBJECT, _TEXT, _to(_DOUBLE), _to(_DOUBLE)), fails=True
    ),
    "arv_device_dup_available_enumeration_feature_values_as_strings": Signature(
        _OBJECT, (_OBJECT, _TEXT, _to(_UINT)), fails=True
    ),
    "arv_gc_feature_node_is_available": Signature(_BOOLEAN, (_OBJECT,), fails=True),
    "arv_gc_feature_node_is_implemented": Signature(_BOOLEAN, (_OBJECT,), fails=True),
    "arv_gc_feature_node_is_locked": Signature(_BOOLEAN, (_OBJECT,), fails=True),
    "arv_gc_feature_node_get_actual_access_mode": Signature(_INT, (_OBJECT,)),
    "arv_gc_integer_get_unit": Signature(_TEXT, (_OBJECT,)),
    "arv_gc_float_get_unit": Signature(_TEXT, (_OBJECT,)),
    "arv_gc_enumeration_get_type": Signature(_TYPE),
    "arv_gc_boolean_get_type": Signature(_TYPE),
    "arv_gc_command_get_type": Signature(_TYPE),
    "arv_gc_float_get_type": Signature(_TYPE),
    "arv_gc_integer_get_type": Signature(_TYPE),
    "arv_gc_string_get_type": Signature(_TYPE),
    # Its stream
    "arv_buffer_new": Signature(_OBJECT, (_SIZE, _OBJECT)),
    "arv_buffer_get_status": Signature(_INT, (_OBJECT,)),
    "arv_buffer_get_payload_type": Signature(_INT, (_OBJECT,)),
    "arv_buffer_get_data": Signature(_OBJECT, (_OBJECT, _to(_SIZE))),
    "arv_buffer_get_frame_id": Signature(_UINT64, (_OBJECT,)),
    "arv_buffer_get_timestamp": Signature(_UINT64, (_OBJECT,)),
    "arv_buffer_get_system_timestamp": Signature(_UINT64, (_OBJECT,)),
    "arv_buffer_get_image_width": Signature(_INT, (_OBJECT,)),
    "arv_buffer_get_image_height": Signature(_INT, (_OBJECT,)),
    "arv_buffer_get_image_padding": Signature(
        None, (_OBJECT, _to(_INT), _to(_INT)), may_be_missing=True
    ),  # 0.8.23
    "arv_stream_push_buffer": Signature(None, (_OBJECT, _OBJECT)),
    "arv_stream_timeout_pop_buffer": Signature(_OBJECT, (_OBJECT, _UINT64)),
    "arv_stream_get_statistics": Signature(None, (_OBJECT, _to(_UINT64), _to(_UINT64), _to(_UINT64))),
    "arv_gv_stream_get_statistics": Signature(None, (_OBJECT, _to(_UINT64), _to(_UINT64))),
    "arv_stream_get_info_uint64_by_name": Signature(_UINT64, (_OBJECT, _TEXT), may_be_missing=True),  # 0.8.11
    "arv_stream_get_n_infos": Signature(_UINT, (_OBJECT,), may_be_missing=True),
    "arv_stream_get_info_name": Signature(_TEXT, (_OBJECT, _UINT), may_be_missing=True),
    "arv_stream_get_info_type": Signature(_TYPE, (_OBJECT, _UINT), may_be_missing=True),
}

GLIB = {
    "g_object_unref": Signature(None, (_OBJECT,)),
    "g_object_set_property": Signature(None, (_OBJECT, _TEXT, _to(GValue))),
    "g_value_init": Signature(_OBJECT, (_to(GValue), _TYPE)),
    "g_value_set_int": Signature(None, (_to(GValue), _INT)),
    "g_type_check_instance_is_a": Signature(_BOOLEAN, (_OBJECT, _TYPE)),
    "g_signal_connect_data": Signature(
        ctypes.c_ulong, (_OBJECT, _TEXT, CONTROL_LOST_HANDLER, _OBJECT, _OBJECT, _INT)
    ),
    "g_signal_handler_disconnect": Signature(None, (_OBJECT, ctypes.c_ulong)),
    "g_error_free": Signature(None, (ctypes.c_void_p,)),
    "g_free": Signature(None, (ctypes.c_void_p,)),
    "g_quark_to_string": Signature(_TEXT, (ctypes.c_uint32,)),
}
