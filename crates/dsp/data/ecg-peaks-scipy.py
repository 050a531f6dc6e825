"""Writes ecg-peaks-scipy.csv: every local maximum of ecg-mitbih-208.csv as SciPy finds it.

python ecg-peaks-scipy.py        (made with SciPy 1.17.1, NumPy 2.4.6; in converter units, so that
                                 every number is an integer and equality is exact)
"""

import numpy as np
from scipy.signal import find_peaks

adc = np.loadtxt("ecg-mitbih-208.csv", skiprows=1)
index, p = find_peaks(adc, plateau_size=(None, None), prominence=(None, None))
columns = [index, p["left_edges"], p["right_edges"], p["prominences"], p["left_bases"], p["right_bases"]]
np.savetxt("ecg-peaks-scipy.csv", np.stack(columns, axis=1), fmt="%d", delimiter=",", comments="",
           header="index,left_edge,right_edge,prominence,left_base,right_base")
