"""MediaPipe's side of the comparisons: runs in an environment of MediaPipe's own, imports nothing of this project.

python mediapipe_hands.py predict CROPS.npz OUT.npz     # array crops [N, side, side, 3], sRGB
python mediapipe_hands.py time                          # prints JSON: milliseconds of each run by model
"""

import importlib
import json
import sys
import time
from pathlib import Path

import numpy as np

WARM_UP, RUNS = 20, 100


def predict(crops_file: str, out_file: str) -> None:
    """The hand nearest to the middle of each crop, by palm detector and landmark model, each crop on its own.

    Leaves ``joints_uv`` [N, 21, 2] in crop sides, ``joints_m`` [N, 21, 3] (world landmarks) and ``right_probability``
    [N]; NaN where no hand is found. MediaPipe names the hand as a mirror shows it, which is turned round here.
    """
    solution = importlib.import_module("mediapipe").solutions.hands
    crops = np.load(crops_file)["crops"]
    uv, metres = np.full((len(crops), 21, 2), np.nan), np.full((len(crops), 21, 3), np.nan)
    right = np.full(len(crops), np.nan)
    with solution.Hands(static_image_mode=True, max_num_hands=2, model_complexity=1) as hands:
        for row, crop in enumerate(crops):
            found = hands.process(crop)
            if not found.multi_hand_landmarks:
                continue
            places = np.array([[(p.x, p.y) for p in hand.landmark] for hand in found.multi_hand_landmarks])
            nearest = int(np.linalg.norm((places.min(1) + places.max(1)) / 2 - 0.5, axis=1).argmin())
            uv[row] = places[nearest]
            metres[row] = [(p.x, p.y, p.z) for p in found.multi_hand_world_landmarks[nearest].landmark]
            named = found.multi_handedness[nearest].classification[0]
            right[row] = named.score if named.label == "Left" else 1 - named.score
    np.savez(out_file, joints_uv=uv, joints_m=metres, right_probability=right)


def time_models() -> dict[str, list[float]]:
    """The landmark models that the wheel carries, alone, in TensorFlow Lite with XNNPACK and one thread.

    Only ``invoke`` is timed: no palm detection, no crop, nothing copied in or out.
    """
    folder = Path(importlib.import_module("mediapipe").__file__).parent / "modules" / "hand_landmark"
    runtime = importlib.import_module("ai_edge_litert.interpreter")
    times = {}
    for size in ("full", "lite"):
        interpreter = runtime.Interpreter(str(folder / f"hand_landmark_{size}.tflite"), num_threads=1)
        interpreter.allocate_tensors()
        entry = interpreter.get_input_details()[0]
        image = np.random.default_rng(0).random(entry["shape"], dtype=np.float32)
        interpreter.set_tensor(entry["index"], image)
        taken = []
        for _ in range(WARM_UP + RUNS):
            start = time.perf_counter()
            interpreter.invoke()
            taken.append(1000 * (time.perf_counter() - start))
        times[f"MediaPipe hand_landmark_{size}, {image.shape[1]} px"] = taken[WARM_UP:]
    return times


if __name__ == "__main__":
    if sys.argv[1] == "predict":
        predict(*sys.argv[2:])
    else:
        print(json.dumps(time_models()))
