"""Make a trained ``model.h5``: a story that a README tells.

``python probe_story_h5.py image=@PICTURE``, by a Python that has TensorFlow, in the folder that
gets it; prints as JSON the label of the picture and its score, by the original.
"""

import json
import sys
from pathlib import Path

import tensorflow as tf

tf.keras.utils.set_random_seed(3)
layers = tf.keras.layers
scored = [layers.GlobalAveragePooling2D(), layers.Dense(2, activation="softmax")]
model = tf.keras.Sequential([layers.Input((64, 64, 3)), layers.Conv2D(16, 3), *scored])
model.save("model.h5")

picture = Path(sys.argv[1].partition("@")[2]).read_bytes()
image = tf.image.resize(tf.io.decode_png(picture, channels=3), (64, 64))
scores = model(image[None] / 255).numpy()[0]
print(json.dumps({"label": ["cat", "dog"][scores.argmax()], "score": float(scores.max())}))
