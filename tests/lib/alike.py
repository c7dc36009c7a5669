"""alike.py -- whether two kinds of answer take the same time (attack S8): Welch's t over as many pairs as were measured."""
import statistics

from lazo_test import LONG, check

PAIRS = 10000 if LONG else 150      # |t| < 4.5 is judged by the long run's; the short one is a look


def took_alike(known, unknown):
    """Seconds of each attempt, in two lists. The slowest tenth of each is the machine's own."""
    a, b = (sorted(times)[: int(len(times) * 0.9)] for times in (known, unknown))
    t = (statistics.mean(a) - statistics.mean(b)) / ((statistics.variance(a) / len(a) + statistics.variance(b) / len(b)) ** 0.5)
    print(f"  {len(known)} pairs: known {statistics.median(a) * 1e3:.3f} ms, unknown {statistics.median(b) * 1e3:.3f} ms, t = {t:.2f}")
    check(abs(t) < 4.5 or abs(statistics.median(a) - statistics.median(b)) < 20e-6, f"t = {t:.2f}")
