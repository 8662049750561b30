"""The files behind ``/`` and ``/docs``, read once; none comes from another host."""

from importlib.resources import files
from mimetypes import guess_type

_OWN = files("service.web").joinpath("static")
_SWAGGER_UI = files("offapi")


def _own_files() -> dict[str, tuple[str, bytes]]:
    return {
        each.name: (_media_type(each.name), each.read_bytes())
        for each in _OWN.iterdir()
        if each.is_file()
    }


def _media_type(name: str) -> str:
    media_type = guess_type(name)[0] or "application/octet-stream"
    return f"{media_type}; charset=utf-8" if media_type.startswith("text/") else media_type


STATIC_FILES: dict[str, tuple[str, bytes]] = {
    **_own_files(),
    "swagger-ui.js": (
        "text/javascript; charset=utf-8",
        _SWAGGER_UI.joinpath("swagger_bundle.js").read_bytes(),
    ),
    "swagger-ui.css": (
        "text/css; charset=utf-8",
        _SWAGGER_UI.joinpath("swagger_style.css").read_bytes(),
    ),
}
"""Name -> media type and content."""
