"""What a stream costs a token, beyond the library's own time.

    python measure_streams.py MODEL.8vo
"""

from __future__ import annotations

import statistics
import sys
import time

import octavo


def overhead_seconds(model: octavo.Model) -> float:
    session = model.session(threads=1)
    greedy = octavo.Sampling(temperature=0)
    started = time.perf_counter()
    stream = session.generate("Once upon a time", max_tokens=1000, sampling=greedy)
    tokens = sum(1 for _ in stream)
    elapsed = time.perf_counter() - started
    return (elapsed - stream.result.prefill_seconds - stream.result.decode_seconds) / tokens


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python measure_streams.py MODEL.8vo")
    opened = octavo.Model(sys.argv[1])
    runs = [overhead_seconds(opened) for _ in range(15)]
    print(f"{statistics.median(runs) * 1e6:.0f} microseconds a token, median of {len(runs)} runs")
