"""TensorRT's Python API by hand, on the CPU.

`tensorrt_api.json` holds the public names of three real versions, read from the modules that NVIDIA
publishes. The fake has those names and no others: any other one fails the test. Networks run on
ONNX Runtime, on the memory whose addresses it is given. So tests with it prove that the calls exist
in every version, come in the right order and are all checked. They prove nothing about the speed or
accuracy of the real one, nor about CUDA.
"""

from __future__ import annotations

import base64
import enum
import json
from typing import Any

import onnx
import onnxruntime as ort

from tests.support.fake_tensorrt_parts import (
    API,
    ONNX_TYPES,
    Checked,
    Execution,
    Logger,
    ProgressMonitor,
    dynamic,
    quiet,
    report,
)

VERSIONS = tuple(API)
"""The recorded versions."""

_ENUMS = (
    "BuilderFlag",
    "DataType",
    "MemoryPoolType",
    "NetworkDefinitionCreationFlag",
    "TensorIOMode",
)


class FakeTensorRT:
    """The module `tensorrt` of one version.

    Args:
        version: one of VERSIONS.
        failure: what goes wrong: `driver`, `parse`, `build`, `runtime`, `deserialize`, `context`,
            `shape`, `missing`, `address` or `execute`; or `timings`, where it takes no cache.
    """

    def __init__(self, version: str, failure: str = "") -> None:
        self.__version__ = version
        self._surface = API[version]
        self._failure = failure
        self._enums = {name: self._enum(name) for name in _ENUMS}
        self.builds = 0
        self.settings: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        assert name in self._surface["module"], f"TensorRT {self.__version__} has no {name}"
        if name in self._enums:
            return self._enums[name]
        return getattr(self, f"_make_{name}")

    def _enum(self, name: str) -> type[enum.IntEnum]:
        members = [member for member in self._surface["classes"][name] if member.isupper()]
        return enum.IntEnum(name, members, start=0)  # type: ignore[return-value]

    def _object(self, class_name: str, **members: Any) -> Any:
        return Checked(class_name, self._surface["classes"][class_name], members, self.__version__)

    @property
    def _make_ILogger(self) -> type:
        return Logger

    @property
    def _make_IProgressMonitor(self) -> type:
        return ProgressMonitor

    def _make_Builder(self, log: Any) -> Any:
        if self._failure == "driver":
            log.log(Logger.Severity.ERROR, "CUDA initialization failure with error: 35")
            raise TypeError("pybind11::init(): factory function returned nullptr")
        return self._object(
            "Builder",
            create_network=self._create_network,
            create_builder_config=self._create_config,
            create_optimization_profile=lambda: self._create_profile(),
            build_serialized_network=lambda net, cfg: self._build(log, net, cfg),
        )

    def _create_network(self, flags: int) -> Any:
        assert flags == 1 << self._enums["NetworkDefinitionCreationFlag"]["STRONGLY_TYPED"]
        return self._object("INetworkDefinition")

    def _create_config(self) -> Any:
        self.settings = {"limits": {}, "cleared": [], "profiles": []}
        return self._object(
            "IBuilderConfig",
            set_memory_pool_limit=self.settings["limits"].__setitem__,
            clear_flag=self.settings["cleared"].append,
            add_optimization_profile=self.settings["profiles"].append,
            create_timing_cache=self._create_timing_cache,
            set_timing_cache=self._set_timing_cache,
        )

    def _create_timing_cache(self, serialized: bytes) -> Any:
        """A cache that counts the builds whose timings it holds; None of what it did not write."""
        version, _, builds = (serialized or f"{self.__version__} 0".encode()).partition(b" ")
        if not builds.isdigit():
            return None
        entries = [int(builds)]
        cache = self._object(
            "ITimingCache", serialize=lambda: version + b" " + str(entries[0]).encode()
        )
        object.__setattr__(cache, "_entries", entries)
        object.__setattr__(cache, "_version", version.decode())
        return cache

    def _set_timing_cache(self, cache: Any, ignore_mismatch: bool) -> bool:
        assert not ignore_mismatch
        if self._failure == "timings" or cache._version != self.__version__:
            return False
        self.settings["timings"] = cache._entries
        return True

    def _create_profile(self) -> Any:
        shapes: dict[str, Any] = {}

        def set_shape(name: str, low: Any, best: Any, high: Any) -> None:
            assert all(a <= b <= c for a, b, c in zip(low, best, high, strict=True))
            shapes[name] = [list(low), list(best), list(high)]

        profile = self._object("IOptimizationProfile", set_shape=set_shape)
        object.__setattr__(profile, "_shapes", shapes)
        return profile

    def _make_OnnxParser(self, network: Any, log: Any) -> Any:
        errors: list[Any] = []

        def parse(data: bytes) -> bool:
            try:
                model = onnx.load_model_from_string(data)
                if self._failure == "parse" or not model.graph.node:
                    raise ValueError("no importer for operator Strange")
            except Exception as error:
                text = f"In node 3: {error}"
                errors.append(self._object("ParserError", desc=lambda: text))
                return False
            self._fill(network, model)
            return True

        parser = self._object("OnnxParser", parse=parse, get_error=lambda index: errors[index])
        parser._provide("num_errors", lambda: len(errors))
        return parser

    def _fill(self, network: Any, model: Any) -> None:
        inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True)
        values = [*inferred.graph.value_info, *inferred.graph.output]
        types = {value.name: value.type.tensor_type.elem_type for value in values}
        layers = [self._layer(types[node.output[0]]) for node in inferred.graph.node]
        inputs = [self._input(value) for value in inferred.graph.input]
        network._provide("num_layers", lambda: len(layers))
        network._provide("get_layer", lambda: layers.__getitem__)
        network._provide("num_inputs", lambda: len(inputs))
        network._provide("get_input", lambda: inputs.__getitem__)
        object.__setattr__(network, "_model", model)

    def _layer(self, elem_type: int) -> Any:
        dtype = self._enums["DataType"][ONNX_TYPES[elem_type]]
        output = self._object("ITensor", dtype=dtype)
        return self._object("ILayer", get_output=lambda index: output)

    def _input(self, value: Any) -> Any:
        shape = tuple(side.dim_value or -1 for side in value.type.tensor_type.shape.dim)
        return self._object("ITensor", name=value.name, shape=shape)

    def _build(self, log: Any, network: Any, config: Any) -> Any:
        self.builds += 1
        if self._failure == "build":
            log.log(Logger.Severity.ERROR, "Out of memory\nmore")
            return None
        if "timings" in self.settings:
            self.settings["timings"][0] += 1
        if not report(config.progress_monitor):
            return None
        (profile,) = self.settings["profiles"]
        plan = {
            "onnx": base64.b64encode(network._model.SerializeToString()).decode(),
            "profile": profile._shapes,
        }
        return json.dumps(plan).encode()

    def _make_Runtime(self, log: Any) -> Any:
        if self._failure == "runtime":
            raise TypeError("pybind11::init(): factory function returned nullptr")

        def deserialize(plan: bytes) -> Any:
            if self._failure == "deserialize" or not plan.startswith(b"{"):
                log.log(Logger.Severity.ERROR, "Version tag does not match")
                return None
            return self._engine(json.loads(plan))

        return self._object("Runtime", deserialize_cuda_engine=deserialize)

    def _engine(self, plan: dict[str, Any]) -> Any:
        session = ort.InferenceSession(base64.b64decode(plan["onnx"]), quiet())
        nodes = {node.name: node for node in [*session.get_inputs(), *session.get_outputs()]}
        input_names = {node.name for node in session.get_inputs()}
        modes, types = self._enums["TensorIOMode"], self._enums["DataType"]
        short = {"tensor(float)": "FLOAT", "tensor(uint8)": "UINT8"}
        engine = self._object(
            "ICudaEngine",
            get_tensor_name=lambda index: list(nodes)[index],
            get_tensor_shape=lambda name: dynamic(nodes[name].shape),
            get_tensor_dtype=lambda name: types[short[nodes[name].type]],
            get_tensor_mode=lambda name: modes["INPUT" if name in input_names else "OUTPUT"],
            get_tensor_profile_shape=lambda name, index: plan["profile"][name],
            create_execution_context=lambda: self._context(session, plan["profile"]),
        )
        engine._provide("num_io_tensors", lambda: len(nodes))
        return engine

    def _context(self, session: Any, profile: dict[str, Any]) -> Any:
        if self._failure == "context":
            return None
        context = Execution(session, profile, self._failure)
        return self._object(
            "IExecutionContext",
            set_input_shape=context.set_input_shape,
            infer_shapes=context.infer_shapes,
            get_tensor_shape=context.get_tensor_shape,
            set_tensor_address=context.set_tensor_address,
            execute_async_v3=context.execute_async_v3,
        )
