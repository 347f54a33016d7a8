"""What floods a service: raw sockets and ZeroMQ peers that mean ill. Used by the story floods.sh.

flood.py ATTACK SOCKET [COUNT]: each attack prints what it saw as JSON, and ends by itself."""
import json
import socket
import struct
import sys
import time

GREETING = b"\xff" + b"\0" * 8 + b"\x7f" + b"\x03\x00" + b"NULL".ljust(20, b"\0") + b"\0" * 32


def connect(path, timeout=5.0):
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(timeout)
    connection.connect(path)
    return connection


def many(path, count):
    """As many connections as the service lets stand, each silent."""
    opened, refused = [], 0
    for _ in range(count):
        try:
            opened.append(connect(path))
        except OSError:
            refused += 1
    return opened, refused


def closed(connection, seconds):
    """Did the other side end it in that time?"""
    connection.settimeout(seconds)
    try:
        while True:
            if connection.recv(4096) == b"":
                return True
    except (ConnectionError, BrokenPipeError):
        return True
    except socket.timeout:
        return False


def frame(data, more=False, command=False):
    flags = (1 if more else 0) | (4 if command else 0)
    if len(data) > 255:
        return struct.pack(">BQ", flags | 2, len(data)) + data
    return struct.pack(">BB", flags, len(data)) + data


def ready(kind):
    name, value = b"Socket-Type", kind
    return frame(b"\x05READY" + bytes([len(name)]) + name + struct.pack(">I", len(value)) + value,
                 command=True)


def greeted(path, kind=b"DEALER"):
    """A ZMTP 3.0 connection, by hand. Like any client, it comes again when it was cut."""
    for left in range(4, -1, -1):
        connection = connect(path)
        try:
            connection.sendall(GREETING + ready(kind))
            return connection
        except OSError:
            if not left:
                raise
    return None


# ---- the attacks

def half_open(path, count):
    """Connections that never say a word, and such that say half a greeting: all are closed."""
    silent, refused = many(path, count)
    for index, connection in enumerate(silent):
        if index % 2:
            try:
                connection.sendall(GREETING[:1 + index % 40])
            except OSError:
                pass
    begun = time.monotonic()
    ended = sum(closed(connection, max(0.01, 10 - (time.monotonic() - begun))) for connection in silent)
    return {"opened": len(silent), "refused": refused, "closed": ended}


def handshakes(path, count):
    """Connect, greet, leave: as fast as can be."""
    done = 0
    for _ in range(count):
        try:
            greeted(path).close()
            done += 1
        except OSError:
            pass
    return {"done": done}


def giant(path, count):
    """Frames that announce more than the limit, with and without the bytes behind."""
    ended = 0
    for index in range(count):
        connection = greeted(path)
        try:
            connection.sendall(struct.pack(">BQ", 2, (1 << 20) + 1 + (index << 30)))
            for _ in range(64 if index % 2 else 0):
                connection.sendall(b"x" * 65536)
        except OSError:
            pass
        ended += closed(connection, 5)
        connection.close()
    return {"sent": count, "closed": ended}


def subscriptions(path, count):
    """A hundred thousand topics, then giant ones."""
    connection = greeted(path, b"SUB")
    sent, step = 0, 1000
    try:
        for first in range(0, count, step):
            connection.sendall(b"".join(frame(b"\x01company-%d/" % index)
                                        for index in range(first, first + step)))
            sent = first + step
    except OSError:
        pass
    kept = not closed(connection, 0.5)
    connection.close()
    giants = 0
    for size in (100000, (1 << 20) + 5):
        connection = greeted(path, b"SUB")
        try:
            connection.sendall(frame(b"\x01" + b"x" * size))
        except OSError:
            pass
        giants += closed(connection, 5)
        connection.close()
    return {"sent": sent, "kept": kept, "giantsClosed": giants}


def exhaust(path, count):
    """More connections than the service has descriptors for; held while a file says so."""
    opened, refused = many(path, count)
    print(json.dumps({"opened": len(opened)}), flush=True)
    sys.stdin.readline()
    ended = sum(closed(connection, 0.001) for connection in opened)
    return {"opened": len(opened), "refused": refused, "closed": ended}


def packed(value):
    """MessagePack, as far as is needed here."""
    if isinstance(value, dict):
        return bytes([0x80 | len(value)]) + b"".join(packed(k) + packed(v) for k, v in value.items())
    if isinstance(value, str):
        data = value.encode()
        return (bytes([0xa0 | len(data)]) if len(data) < 32 else b"\xd9" + bytes([len(data)])) + data
    return bytes([value]) if value < 128 else b"\xcd" + struct.pack(">H", value)


def request(number, kind, body):
    header = packed({"v": 1, "id": f"r{number}", "type": kind})
    return frame(header, more=True) + frame(packed(body))


def exactly(connection, size):
    data = b""
    while len(data) < size:
        piece = connection.recv(size - len(data))
        if not piece:
            raise ConnectionError("closed")
        data += piece
    return data


def message(connection):
    """The next message's last frame; commands are passed over."""
    while True:
        flags = exactly(connection, 1)[0]
        size = struct.unpack(">Q", exactly(connection, 8))[0] if flags & 2 else exactly(connection, 1)[0]
        data = exactly(connection, size)
        if not flags & 5:
            return data


def deaf(path, count):
    """Asks for large answers, and reads none of them. Another one beside it asks as often, and reads:
    they take turns, so when it is through, so is this one."""
    connection, good = greeted(path), greeted(path)
    exactly(good, 64)
    number = 0
    while number < count:
        for _ in range(100):
            connection.sendall(request(number, "bus.describe", {}))
            number += 1
        for index in range(100):
            good.sendall(request(index, "bus.describe", {}))
            message(good)
    print(json.dumps({"sent": number}), flush=True)
    sys.stdin.readline()
    return {"sent": number}


if __name__ == "__main__":
    attack, where = sys.argv[1:3]
    print(json.dumps(globals()[attack](where, int(sys.argv[3]) if len(sys.argv) > 3 else 100)), flush=True)
