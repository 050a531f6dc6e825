"""Writes dwt-pywavelets.csv: transforms of x[i] = (7 i^2 + 3 i) mod 23 - 9 as PyWavelets computes them.

python dwt-pywavelets.py         (made with PyWavelets 1.9.0)
"""

import pywt

with open("dwt-pywavelets.csv", "w") as file:
    file.write("wavelet,mode,samples,approximation,details from the coarsest\n")
    for name, lengths, level in [("haar", (2, 7), 1), ("db2", (2, 7, 8), 2), ("db3", (21,), 2), ("sym8", (5, 21), 1),
                                 ("coif1", (16, 21), 2), ("bior4.4", (21,), 1), ("rbio2.2", (10,), 1)]:
        for mode in pywt.Modes.modes:
            for n in lengths:
                x = [(7 * i * i + 3 * i) % 23 - 9.0 for i in range(n)]
                parts = pywt.wavedec(x, name, mode, level)
                columns = [" ".join(f"{v:.13g}" for v in part) for part in parts]
                file.write(",".join([name, mode, str(n), *columns]) + "\n")
