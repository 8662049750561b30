"""The Open Inference Protocol (V2): tensors in, tensors out. Knows nothing of tasks.

https://github.com/kserve/open-inference-protocol, with its extension for tensors in bytes:
https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md
"""

HEADER_LENGTH = "Inference-Header-Content-Length"
"""Header that says how many bytes of a body are JSON, where tensors in bytes follow."""
