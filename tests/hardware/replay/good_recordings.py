"""Small good recordings of every kind that is read, to be damaged."""

from __future__ import annotations

import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

_FRAMES = np.random.default_rng(1).integers(0, 4096, (6, 20, 24), np.uint16)


def _tiff(folder: Path, **how: Any) -> Path:
    import tifffile

    tifffile.imwrite(folder / "a.tif", _FRAMES, photometric="minisblack", **how)
    return folder / "a.tif"


def _ome(folder: Path) -> Path:
    import tifffile

    metadata = {"axes": "TYX", "SignificantBits": 12, "TimeIncrement": 0.1}
    tifffile.imwrite(folder / "a.ome.tif", _FRAMES, metadata=metadata, photometric="minisblack")
    return folder / "a.ome.tif"


def _hdf5(folder: Path, **how: Any) -> Path:
    import h5py

    with h5py.File(folder / "a.h5", "w") as file:
        file.create_dataset("entry/frames", data=_FRAMES, **how)
        file["entry/timestamps"] = np.arange(6) / 10
        file["entry/link"] = h5py.SoftLink("/entry/frames")
    return folder / "a.h5"


def _hdf5_frames(folder: Path) -> Path:
    import h5py

    with h5py.File(folder / "a.h5", "w") as file:
        for number, frame in enumerate(_FRAMES):
            file[f"frames/{number}"] = frame
            file[f"frames/{number}"].attrs["time"] = number / 10
    return folder / "a.h5"


def _nexus(folder: Path) -> Path:
    import h5py

    with h5py.File(folder / "a.nxs", "w") as file:
        data = file.create_group("entry/data")
        data.attrs["NX_class"], data.attrs["signal"], data.attrs["axes"] = (
            "NXdata",
            "counts",
            ["time", "y", "x"],
        )
        data.create_dataset("counts", (60, 20, 24), np.uint16, chunks=(1, 20, 24))[:6] = _FRAMES
        data["errors"], data["time"] = _FRAMES, np.arange(60) / 10
        file["entry/start_time"] = "2026-01-01T10:00:00Z"
    return folder / "a.nxs"


def _ndtiff(folder: Path) -> Path:
    summary, index = b'{"Prefix": "g"}', b""
    head = struct.pack("<2sHI5I", b"II", 42, 28 + len(summary), 483729, 3, 3, 2355492, len(summary))
    content = head + summary
    for number, frame in enumerate(_FRAMES):
        metadata = b'{"ElapsedTime-ms": %d, "ReceivedTime": "2026-01-01 12:00:0%d +0100"}' % (number, number)
        pixels, place = frame.tobytes(), b'{"time": %d}' % number
        behind = len(content) + 2 + 12 * 10 + 4
        told = behind + len(pixels)
        end = 0 if number + 1 == len(_FRAMES) else told + len(metadata)
        values = ((256, 24), (257, 20), (258, 16), (259, 1), (262, 1), (273, behind), (277, 1), (278, 20))
        tags = [*((code, 4, 1, value) for code, value in values), (279, 4, 1, len(pixels))]
        tags.append((51123, 2, len(metadata), told))
        content += struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags)
        content += struct.pack("<I", end) + pixels + metadata
        index += struct.pack("<I", len(place)) + place + struct.pack("<I", 5) + b"a.tif"
        index += struct.pack("<IiiiiIii", behind, 24, 20, 4, 0, told, len(metadata), 0)
    (folder / "nd").mkdir()
    (folder / "nd" / "a.tif").write_bytes(content)
    (folder / "nd" / "NDTiff.index").write_bytes(index)
    return folder / "nd"


def _npy(folder: Path) -> Path:
    np.save(folder / "a.npy", _FRAMES)
    return folder / "a.npy"


def _npz(folder: Path) -> Path:
    np.savez_compressed(folder / "a.npz", frames=_FRAMES, times=np.arange(6) / 10)
    return folder / "a.npz"


def _imm(folder: Path) -> Path:
    header = bytearray(640)
    header[39:45] = b"KSA00F"
    header[49:51], header[321:323] = (24).to_bytes(2, "big"), (20).to_bytes(2, "big")
    header[323:327], header[333:335] = (1_767_225_600).to_bytes(4, "big"), (12).to_bytes(2, "big")
    (folder / "a.imm").write_bytes(
        b"".join(bytes(header) + frame.astype("<u2").tobytes() for frame in _FRAMES)
    )
    return folder / "a.imm"


def _pgm(folder: Path) -> Path:
    (folder / "a.pgm").write_bytes(b"P5\n# x\n24 20\n4095\n" + _FRAMES[0].astype(">u2").tobytes())
    return folder / "a.pgm"


def _plain_pgm(folder: Path) -> Path:
    (folder / "a.pgm").write_bytes(
        b"P2\n24 20\n4095\n" + b" ".join(b"%d" % value for value in _FRAMES[0].ravel())
    )
    return folder / "a.pgm"


def _img(folder: Path) -> Path:
    path = _imm(folder)
    return path.rename(folder / "a.img") if path.write_bytes(path.read_bytes()[: 640 + 960]) else path


def _hdf5_many_attributes(folder: Path) -> Path:
    """A dataset of the newest format, whose attributes are so many that they lie in a heap."""
    import h5py

    with h5py.File(folder / "a.h5", "w", libver="latest", track_order=True) as file:
        frames = file.create_dataset("frames", data=_FRAMES, track_order=True)
        times = file.create_dataset("time", data=np.arange(6) / 10, track_order=True)
        for number in range(12):
            frames.attrs[f"note {number}"] = times.attrs[f"note {number}"] = "x" * 40
        frames.attrs["fps"], times.attrs["units"] = 10.0, "seconds since 2026-01-01"
    return folder / "a.h5"


def _netcdf(folder: Path) -> Path:
    """As xarray writes it: named dimensions, and a coordinate that counts from a date."""
    import h5py

    with h5py.File(folder / "a.nc", "w", track_order=True) as file:
        file.attrs["_NCProperties"], file.attrs["title"] = "version=2", "growth"
        frames = file.create_dataset("frames", data=_FRAMES, chunks=(2, 20, 24), compression="gzip")
        for number, (name, size) in enumerate(zip(("time", "y", "x"), _FRAMES.shape, strict=True)):
            along = file.create_dataset(name, data=np.arange(size, dtype=np.int64), track_order=True)
            along.make_scale(name)
            along.attrs["_Netcdf4Dimid"] = np.int32(number)
            frames.dims[number].attach_scale(along)
        file["time"].attrs["units"] = "milliseconds since 2026-01-01 10:00:00"
    return folder / "a.nc"


def _hdf5_virtual(folder: Path) -> Path:
    import h5py

    with h5py.File(folder / "a.h5", "w", libver="latest") as file:
        layout = h5py.VirtualLayout(_FRAMES.shape, _FRAMES.dtype)
        for number, frame in enumerate(_FRAMES):
            file[f"parts/{number}"] = frame[np.newaxis]
            layout[number : number + 1] = h5py.VirtualSource(".", f"parts/{number}", shape=(1, 20, 24))
        file.create_virtual_dataset("frames", layout)
    return folder / "a.h5"


def _hdf5_growing(folder: Path) -> Path:
    import h5py

    with h5py.File(folder / "a.h5", "w", libver="latest") as file:
        frames = file.create_dataset(
            "frames", (6, 20, 24), np.uint16, maxshape=(None, 20, 24), chunks=(1, 20, 24)
        )
        times = file.create_dataset("timestamps", (6,), np.float64, maxshape=(None,), chunks=(6,))
        times.attrs["units"] = "s"
        file.swmr_mode = True
        frames[:], times[:] = _FRAMES, 1_767_225_600 + np.arange(6) / 10
    return folder / "a.h5"


def _ngff(folder: Path) -> Path:
    import zarr

    axes = [
        {"name": name, "type": kind}
        for name, kind in zip("tczyx", ("time", "channel", *["space"] * 3), strict=True)
    ]
    scale = [{"type": "scale", "scale": [0.1, 1, 1, 1, 1]}]
    levels = [{"path": str(level), "coordinateTransformations": scale} for level in (0, 1)]
    group = zarr.create_group(
        folder / "a.zarr",
        zarr_format=2,
        attributes={"multiscales": [{"version": "0.4", "axes": axes, "datasets": levels}]},
    )
    for level in (0, 1):
        pixels = _FRAMES[:, np.newaxis, np.newaxis, :: level + 1, :: level + 1]
        group.create_array(str(level), data=pixels, chunks=(1, *pixels.shape[1:]))
    return folder / "a.zarr"


def dng(path: Path, mosaic: Any, *more: Any, white: int = 4095, **how: Any) -> Path:
    """The smallest: versions, the pattern of the colours, white level, colour matrix and neutral colour."""
    import tifffile

    tags: Any = [
        (50706, 1, 4, bytes((1, 4, 0, 0)), True),
        (50707, 1, 4, bytes((1, 1, 0, 0)), True),
        (50708, 2, 5, "test", True),
        (33421, 3, 2, (2, 2), True),
        (33422, 1, 4, bytes((0, 1, 1, 2)), True),
        (50717, 4, 1, white, True),
        (50721, 10, 9, (1, 1, 0, 1, 0, 1, 0, 1, 1, 1, 0, 1, 0, 1, 0, 1, 1, 1), True),
        (50728, 5, 3, (1, 1, 1, 1, 1, 1), True),
        (50778, 3, 1, 21, True),
    ]
    tifffile.imwrite(path, mosaic, photometric=32803, extratags=[*tags, *more], metadata=None, **how)
    return path


def _dng(folder: Path, **how: Any) -> Path:
    return dng(folder / "a.dng", np.tile(_FRAMES[0], (3, 3)), **how)


def _picture(name: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        from PIL import Image

        image = Image.fromarray((_FRAMES[0] >> 4).astype(np.uint8))
        exif = image.getexif()
        exif[274], exif[306] = 6, "2026:01:01 10:00:00"
        details: dict[str, Any] = {"exif": exif} if name.endswith(("png", "jpg", "webp")) else {}
        image.save(folder / name, **details)
        return folder / name

    return write


def _ppm(folder: Path) -> Path:
    colours = np.repeat(_FRAMES[0][..., np.newaxis], 3, axis=-1)
    (folder / "a.ppm").write_bytes(b"P6\n24 20\n4095\n" + colours.astype(">u2").tobytes())
    return folder / "a.ppm"


def _deep_png(folder: Path) -> Path:
    import imagecodecs

    (folder / "a.png").write_bytes(imagecodecs.png_encode(np.stack([_FRAMES[0]] * 3, axis=-1)))
    return folder / "a.png"


def _video(
    name: str, codec: str, pixel_format: str, container_format: str | None = None
) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        import av

        with av.open(str(folder / name), "w", format=container_format) as container:
            stream: Any = container.add_stream(codec, rate=Fraction(25))
            # What DV and MXF take.
            stream.width, stream.height = (720, 576) if name.endswith(("dv", "mxf")) else (64, 48)
            stream.pix_fmt = pixel_format
            for number in range(6):
                pixels = np.full((stream.height, stream.width), 30 * number, np.uint8)
                pixels[:, :20] = 100
                picture = av.VideoFrame.from_ndarray(pixels, format="gray").reformat(format=pixel_format)
                container.mux(stream.encode(picture))
            container.mux(stream.encode())
        return folder / name

    return write


def _raw(folder: Path) -> Path:
    (folder / "a.bin").write_bytes(_FRAMES.astype(">u2").tobytes())
    return folder / "a.bin"


def _zarr(folder: Path) -> Path:
    import zarr

    zarr.create_array(folder / "a.zarr", data=_FRAMES, chunks=(2, 20, 24))
    return folder / "a.zarr"


SEEDS: dict[str, Callable[[Path], Path]] = {
    "tiff": _tiff,
    "tiff-lzw": lambda folder: _tiff(folder, compression="lzw"),
    "tiff-tiled": lambda folder: _tiff(folder, tile=(16, 16), compression="zlib"),
    "imagej": lambda folder: _tiff(folder, imagej=True, metadata={"finterval": 0.1}),
    "ome": _ome,
    "hdf5": _hdf5,
    "hdf5-gzip": lambda folder: _hdf5(folder, chunks=(1, 20, 24), compression="gzip"),
    "npy": _npy,
    "npz": _npz,
    "imm": _imm,
    "pgm": _pgm,
    "plain-pgm": _plain_pgm,
    "png": _picture("a.png"),
    "deep-png": _deep_png,
    "bmp": _picture("a.bmp"),
    "jpeg": _picture("a.jpg"),
    "avi": _video("a.avi", "mjpeg", "yuvj420p"),
    "mp4": _video("a.mp4", "h264", "yuv420p"),
    "mkv": _video("a.mkv", "ffv1", "gray"),
    "raw": _raw,
    "zarr": _zarr,
    "webp": _picture("a.webp"),
    "jp2": _picture("a.jp2"),
    "tga": _picture("a.tga"),
    "ppm": _ppm,
    "hdf5-frames": _hdf5_frames,
    "nexus": _nexus,
    "ndtiff": _ndtiff,
    "img": _img,
    "hdf5-heap": _hdf5_many_attributes,
    "hdf5-virtual": _hdf5_virtual,
    "netcdf": _netcdf,
    "ome-zarr": _ngff,
    "dng": _dng,
    "dng-jpeg": lambda folder: _dng(
        folder, compression="jpeg", compressionargs={"lossless": True, "bitspersample": 12}
    ),
    "mov": _video("a.mov", "rawvideo", "rgb24"),
    "webm": _video("a.webm", "libvpx-vp9", "yuv420p"),
    "mpg": _video("a.mpg", "mpeg2video", "yuv420p"),
    "mpeg-ts": _video("a.ts", "mpeg2video", "yuv420p"),
    "flv": _video("a.flv", "flv", "yuv420p"),
    "wmv": _video("a.wmv", "wmv2", "yuv420p"),
    "ogv": _video("a.ogv", "libvpx", "yuv420p"),
    "nut": _video("a.nut", "ffv1", "gray12le"),
    "y4m": _video("a.y4m", "rawvideo", "gray", "yuv4mpegpipe"),
    "gif": _video("a.gif", "gif", "gray"),
    "apng": _video("a.apng", "apng", "gray"),
    "mjpeg": _video("a.mjpeg", "mjpeg", "yuvj420p", "mjpeg"),
    "h264": _video("a.h264", "h264", "yuv420p", "h264"),
    "mxf": _video("a.mxf", "mpeg2video", "yuv420p"),
    "dv": _video("a.dv", "dvvideo", "yuv420p"),
    "raw-avi": _video("b.avi", "rawvideo", "gray"),
    "follow-tiff": _tiff,
    "follow-imm": _imm,
    "follow-avi": _video("a.avi", "rawvideo", "bgr24"),
    "follow-mjpeg-avi": _video("b.avi", "mjpeg", "yuvj420p"),
    "follow-hdf5": _hdf5_growing,
    "follow-npy": _npy,
    "follow-png": _picture("a.png"),
    "follow-pgm": _pgm,
}
"""By the kind of file, what writes a good one into a folder; some are also followed as if they grew."""
