"""A wake word for other programs: over the Wyoming protocol (Home Assistant), and in a browser.

    address.py   where to listen, as the user writes it
    limits.py    what a client may cost
    follow.py    the sound after a hit, for a client that asked for it
    sound.py     one client's stream: PCM of any format -> detections
    framing.py conversation.py wyoming.py     the Wyoming server
    guard.py live.py takes.py hits.py web.py http.py page/     the web page
    running.py   both in one event loop, until a signal

Everything runs in one event loop and one thread: a stream takes under a hundredth of a core, so what matters is that
no client can hold the loop for long, or make it keep much.
"""
