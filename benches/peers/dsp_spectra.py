"""dsp's transforms, short-time spectra and Welch's method against SciPy, librosa and realfft; see README.md."""

import compare
from compare import Lazy, Line, Peer, Worker, close, probe, timed, uniform

import numpy as np
import scipy.fft
import scipy.signal

EVEN = [1024, 2048, 4096, 16384, 65536, 262144, 44100, 48000, 1000000]
ODD = [999, 1001, 1125, 2187, 4095, 11025, 65535, 99225, 22051, 30021]
PRIME = [251, 1009, 10007, 44101, 65537, 100003, 1000003]
librosa = Lazy("librosa")
WORKER = Worker("dsp-spectra-worker")


def worker(who, operation, size):
    return lambda: lambda: WORKER.time(who, operation, size)


def transform(size, dtype):
    x = uniform(1, size).astype(dtype)

    def once():
        seconds, found = timed(lambda: scipy.fft.rfft(x), fill=0.001, batches=5)
        return seconds, probe(found)
    return once


def stereo(function, dtype):
    """A minute of two channels."""
    channels = [uniform(seed, 60 * 44100).astype(dtype) for seed in (1, 2)]

    def once():
        seconds, found = timed(lambda: [function(x) for x in channels])
        return seconds, probe(np.concatenate([np.abs(f).astype(np.float64).ravel() for f in found]))
    return once


def with_librosa(dtype):
    # Frames centred, zeros beyond the ends, as ours.
    return stereo(lambda x: np.abs(librosa.stft(x, n_fft=2048, hop_length=512, pad_mode="constant")) ** 2, dtype)


def librosa_again(dtype):
    """In arrays that were used before, on their side too."""
    transforms, powers = [], []

    def power(x):
        out = transforms[0] if transforms else None
        transforms[:] = [librosa.stft(x, n_fft=2048, hop_length=512, pad_mode="constant", out=out)]
        # Two in turn: the first channel's is read when the second's is there.
        powers.append(powers.pop(0) if len(powers) == 2 else np.empty_like(transforms[0], dtype=dtype))
        np.abs(transforms[0], out=powers[-1])
        return np.square(powers[-1], out=powers[-1])
    return stereo(power, dtype)


def with_welch(dtype):
    return stereo(lambda x: scipy.signal.welch(x, 44100.0, nperseg=2048, noverlap=1536)[1], dtype)


def rfft(suffix, dtype, size, tolerance):
    """Even lengths against bare realfft, odd and prime ones faster than it by half, all twice as fast as SciPy."""
    operation = "rfft" + suffix
    return Line(f"dsp/{operation}/{size}", worker("dsp", operation, size),
                [Peer("SciPy", lambda: transform(size, dtype), 0.5),
                 Peer("realfft", worker("realfft", operation, size), 1.05 if size in EVEN else 1 / 1.5),
                 Peer("realfft and a copy of its input", worker("realfft-copied", operation, size))], close(tolerance))


def lines(threads):
    if threads > 1:
        return
    for suffix, dtype, tolerance in (("", np.float64, 1e-12), ("-f32", np.float32, 1e-5)):
        for size in EVEN + ODD + PRIME:
            yield rfft(suffix, dtype, size, tolerance)
    for suffix, dtype, goal, tolerance in (("", np.float64, 1 / 2.2, 1e-10), ("-f32", np.float32, 1 / 3.4, 1e-4)):
        # The last frame is one that librosa has not: the length is no multiple of the hop.
        yield Line(f"dsp/stft-power{suffix}/60-s", worker("dsp", "stft-power" + suffix, 60),
                   [Peer("librosa", lambda dtype=dtype: with_librosa(dtype), goal)], close(2e-3))
        yield Line(f"dsp/stft-power-again{suffix}/60-s", worker("dsp", "stft-power-again" + suffix, 60),
                   [Peer("librosa, into the same arrays", lambda dtype=dtype: librosa_again(dtype), goal)],
                   close(2e-3))
        yield Line(f"dsp/welch{suffix}/60-s", worker("dsp", "welch" + suffix, 60),
                   [Peer("SciPy", lambda dtype=dtype: with_welch(dtype), 1 / 6)], close(tolerance))


if __name__ == "__main__":
    compare.run(lines)
