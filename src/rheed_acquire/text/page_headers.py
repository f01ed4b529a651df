"""What browsers are told with every page of ours, besides its content security policy."""

PAGE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""It is embedded, kept and told of nowhere: addresses hold tokens, and pages a lab's pictures."""
