"""How long threads that share a layer wait awake for each other, where the user has not said so.

OpenMP's threads spin for milliseconds before they sleep, which is well where nothing else runs. Beside an encoder, a
decoder, or a player they spin while the one they wait for is not running: what took 50 ms took 510 beside one busy
program. When they sleep after a thousand turns it takes 50 there, too. And a pair that two threads make side by side
(`streaming.beside`) takes 35 ms in place of 45 on an idle machine, since no third one spins beside them.
"""

import os
import sys

VARIABLE, TURNS = "GOMP_SPINCOUNT", "1000"

if "torch" not in sys.modules:  # with torch comes OpenMP's library, which reads this once
    os.environ.setdefault(VARIABLE, TURNS)
