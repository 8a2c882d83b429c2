"""python onnx_predict.py model.onnx photo.jpg X0 Y0 X1 Y1: pixels of the 21 joints of the hand in that box."""

import sys

import cv2
import numpy as np
import onnxruntime

network = onnxruntime.InferenceSession(sys.argv[1])
notes = network.get_modelmeta().custom_metadata_map
size, box = int(notes["image_size"]), np.array(sys.argv[3:], float).reshape(2, 2)
side = float(notes["crop_margin"]) * np.ptp(box, 0).max()
fine = size * int(np.ceil(side / size))  # as fine as the photo, then shrunk by averaging
warp = np.column_stack([np.eye(2) * fine / side, (fine - 1) / 2 - fine / side * box.mean(0)])
crop = cv2.warpAffine(cv2.imread(sys.argv[2], cv2.IMREAD_COLOR_RGB), warp, (fine, fine))
rgb = cv2.resize(crop, (size, size), interpolation=cv2.INTER_AREA).astype(np.float32).transpose(2, 0, 1) / 255
uv, _, confidence, logit, *_ = network.run(None, {"rgb": np.stack([rgb, rgb[:, :, ::-1]])})
is_left = (logit[0] - logit[1]) / 2 + np.log(confidence).mean(1) @ [1, -1] < 0  # surer of the mirror image
joints_px = ((uv[1] - 0.5) * [-1, 1] if is_left else uv[0] - 0.5) * side + box.mean(0)
print(joints_px.round(1).tolist())
