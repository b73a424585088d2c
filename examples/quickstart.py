"""Which pixels of a movie follow a running animal? Ten lines, no Java needed.

python examples/quickstart.py
"""

import numpy as np

import thunderlike as tl

recording = tl.images.examples.calcium()  # or your own files: tl.images.fromtif("folder")
movie = recording.images()  # engine="spark" does the rest of these lines on a cluster
print(movie)

smooth = movie.astype("float32").gaussian_filter(1)
series = smooth.toseries().detrend().zscore()
correlation = series.correlate(recording.behaviour).toarray()

row, column = np.unravel_index(correlation.argmax(), correlation.shape)
print(f"pixel ({row}, {column}) follows the running speed best: r = {correlation.max():.2f}")
cells = [correlation[pixels].mean() for pixels in recording.masks()]
print("cells that do:", np.flatnonzero(np.array(cells) > 0.35).tolist())
print("and the truth:", np.flatnonzero(recording.cells.follows).tolist())
