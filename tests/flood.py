"""What floods a service: raw sockets and ZeroMQ peers that mean ill. Used by the story floods.sh.

flood.py ATTACK SOCKET [COUNT [KEY_FILE]]: each attack prints what it saw as JSON, and ends by itself."""
import json
import os
import socket
import struct
import sys
import time

GREETING = b"\xff" + b"\0" * 8 + b"\x7f" + b"\x03\x00" + b"NULL".ljust(20, b"\0") + b"\0" * 32


def connect(path, timeout=5.0):
    """To a local socket, or to tcp://ADDRESS:PORT."""
    tcp = path.startswith("tcp://")
    connection = socket.socket(socket.AF_INET if tcp else socket.AF_UNIX)
    connection.settimeout(timeout)
    address, _, port = path[6:].rpartition(":")
    connection.connect((address, int(port)) if tcp else path)
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


# ---- the same over TCP, where a key is asked for first

CURVE = b"\xff" + b"\0" * 8 + b"\x7f" + b"\x03\x00" + b"CURVE".ljust(20, b"\0") + b"\0" * 32


def hello():
    return frame(b"\x05HELLO\x01\x00" + b"\0" * 72 + os.urandom(32) + b"\0" * 7 + b"\x01"
                 + os.urandom(80), command=True)


def half_shaken(path, count):
    """Connections that stop at each step of the handshake: all are closed."""
    opened = []
    for index in range(count):
        connection = connect(path)
        step = index % 4
        try:
            connection.sendall((CURVE[:12], CURVE, CURVE + hello()[:100], GREETING)[step])
        except OSError:
            pass
        opened.append(connection)
    begun = time.monotonic()
    ended = sum(closed(connection, max(0.01, 10 - (time.monotonic() - begun))) for connection in opened)
    return {"opened": len(opened), "closed": ended}


def false_hellos(path, count):
    """Greet, and let the service open a box that nobody closed: as fast as can be."""
    done = 0
    for _ in range(count):
        connection = connect(path)
        try:
            connection.sendall(CURVE + hello())
            done += 1
        except OSError:
            pass
        connection.close()
    return {"done": done}


def garbage(path, count):
    """Bytes without a meaning, from the first one on, behind the greeting, and as giant frames."""
    ended = 0
    for index in range(count):
        connection = connect(path)
        begin = (b"", CURVE, CURVE + struct.pack(">BQ", 6, (1 << 20) + (index << 30)))[index % 3]
        try:
            connection.sendall(begin)
            for _ in range(16):
                connection.sendall(os.urandom(65536))
        except OSError:
            pass
        ended += closed(connection, 5)
        connection.close()
    return {"sent": count, "closed": ended}


def with_key(kind, path, cert):
    """A ZeroMQ socket with the keys of a file of `berth key new`, or with `-`, strange ones."""
    import re
    import zmq
    context = zmq.Context.instance()
    known = {name: value.encode() for name, value
             in re.findall(r'(\S+-key) = "(.*)"', open(cert.removeprefix("-")).read())}
    socket = context.socket(getattr(zmq, kind))
    socket.linger = 0
    socket.curve_serverkey = known["server-key"]
    socket.curve_publickey, socket.curve_secretkey = zmq.curve_keypair() if cert.startswith("-") \
        else (known["public-key"], known["secret-key"])
    return socket, socket.get_monitor_socket()


def heard(monitor, wanted, seconds):
    """Was there such an event of the connection in that time?"""
    import zmq
    from zmq.utils.monitor import recv_monitor_message
    until = time.monotonic() + seconds
    while monitor.poll(max(0, until - time.monotonic()) * 1000):
        if recv_monitor_message(monitor)["event"] == getattr(zmq, "EVENT_" + wanted):
            return True
    return False


def strangers(path, count, cert):
    """Whole handshakes with keys that nobody let in: each is refused."""
    refused = 0
    for first in range(0, count, 50):
        sockets = [with_key("DEALER", path, "-" + cert) for _ in range(min(50, count - first))]
        for socket, _ in sockets:
            socket.connect(path)
        for socket, monitor in sockets:
            refused += heard(monitor, "HANDSHAKE_FAILED_AUTH", 20)
            socket.disable_monitor()
            socket.close()
    return {"refused": refused}


def giants_with_key(path, count, cert):
    """Who has a good key may not send giant frames either."""
    ended = 0
    for _ in range(count):
        socket, monitor = with_key("DEALER", path, cert)
        socket.connect(path)
        if not heard(monitor, "HANDSHAKE_SUCCEEDED", 10):
            continue
        socket.send(b"x" * ((1 << 20) + 4096))
        ended += heard(monitor, "DISCONNECTED", 10)
        socket.disable_monitor()
        socket.close()
    return {"closed": ended}


def bomb_with_key(path, count, cert):
    """A subscriber with a good key and too many topics is cut."""
    socket, monitor = with_key("SUB", path, cert)
    socket.sndhwm = 0               # Else libzmq leaves out what does not fit
    socket.connect(path)
    succeeded = heard(monitor, "HANDSHAKE_SUCCEEDED", 10)
    for index in range(count):
        socket.subscribe(b"acme/topic-%d" % index)
    cut = heard(monitor, "DISCONNECTED", 20)
    socket.disable_monitor()
    socket.close()
    return {"succeeded": succeeded, "cut": cut}


if __name__ == "__main__":
    attack, where = sys.argv[1:3]
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 100
    print(json.dumps(globals()[attack](where, count, *sys.argv[4:])), flush=True)
