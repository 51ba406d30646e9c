"""The names of the inference backends, apart from what they are: the command line needs no more."""

from typing import Literal

BackendName = Literal["tensorrt", "torch", "openvino", "onnxruntime"]
