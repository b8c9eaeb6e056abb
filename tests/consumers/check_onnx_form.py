#!/usr/bin/env python3
"""check_onnx_form.py EXPORT PREDICTED: whether ONNX's own checker, with its inference of shapes, finds the graphs right."""
import glob
import sys

import onnx
import onnx.checker

paths = sorted(glob.glob(f"{sys.argv[1]}/*.onnx"))
assert paths
for path in paths:
    model = onnx.load(path)
    onnx.checker.check_model(path, full_check=True)
    assert model.ir_version == 8 and {o.domain: o.version for o in model.opset_import} == {"": 13, "ai.onnx.ml": 2}
    assert all(i.type.tensor_type.HasField("shape") for i in [*model.graph.input, *model.graph.output])
print(f"onnx {onnx.__version__}: {len(paths)} graphs are well formed")
