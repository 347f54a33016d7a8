#  samples.py - histories that the checker must take, and histories that it must not.

from linear import Op, linearizable


def acquire(begin, end, lease, generation, result="ok"):
    return [Op("acquire", begin, end, result, lease, generation)]


def refused(begin, end):
    return [Op("acquire", begin, end, "refused")]


def release(begin, end, lease, result="ok"):
    leaving = Op("leaving", begin, end, result, lease)
    return [leaving, Op("left", begin, end, result, lease, after=leaving)]


def use(begin, end, lease, generation, result="ok"):
    return [Op("use", begin, end, result, lease, generation)]


RIGHT = {
    "one behind the other": acquire(0, 1, "a", 1) + release(2, 3, "a") + acquire(4, 5, "b", 2),
    "a release that overlaps the next acquire": acquire(0, 1, "a", 1) + release(2, 9, "a")
    + acquire(3, 4, "b", 2),
    "refused while it is released": acquire(0, 1, "a", 1) + release(2, 9, "a") + refused(3, 4)
    + use(3, 4, "a", 1, "refused") + refused(5, 6),
    "refused by one that is not answered yet": refused(1, 2) + acquire(0, 9, "a", 1),
    "an acquire without an answer": acquire(0, None, "a", 1, None) + refused(5, 6),
    "a release without an answer": acquire(0, 1, "a", 1) + release(2, None, "a", None)
    + acquire(8, 9, "b", 2),
    "a release without an answer that was not done": acquire(0, 1, "a", 1)
    + release(2, None, "a", None) + use(5, 6, "a", 1),
    "an old generation is refused": acquire(0, 1, "a", 1) + release(2, 3, "a") + acquire(4, 5, "b", 2)
    + use(6, 7, "b", 1, "refused") + use(6, 7, "a", 1, "refused") + use(8, 9, "b", 2),
    "released twice": acquire(0, 1, "a", 1) + release(2, 3, "a") + release(2, 4, "a")
    + acquire(5, 6, "b", 2) + release(7, 8, "a") + use(9, 10, "b", 2),
}
WRONG = {
    "two holders": acquire(0, 1, "a", 1) + acquire(2, 3, "b", 2),
    "refused though free": acquire(0, 1, "a", 1) + release(2, 3, "a") + refused(4, 5),
    "a stale use": acquire(0, 1, "a", 1) + release(2, 3, "a") + use(4, 5, "a", 1),
    "a stale generation": acquire(0, 1, "a", 1) + release(2, 3, "a") + acquire(4, 5, "b", 2)
    + use(6, 7, "b", 1),
    "refused though right": acquire(0, 1, "a", 1) + use(2, 3, "a", 1, "refused"),
    "a generation twice": acquire(0, 1, "a", 1) + release(2, 3, "a") + acquire(4, 5, "b", 1),
    "a generation that falls": acquire(0, 1, "a", 2) + release(2, 3, "a") + acquire(4, 5, "b", 1),
    "a holder that comes back": acquire(0, 1, "a", 1) + release(2, 3, "a") + acquire(4, 5, "b", 2)
    + release(6, 7, "b") + use(8, 9, "a", 1),
    "free before anybody left": acquire(0, 1, "a", 1) + acquire(2, 3, "b", 2) + release(4, 5, "a"),
}


def self_check():
    for name, ops in RIGHT.items():
        assert linearizable(ops)[0] is True, "the checker does not take: %s" % name
    for name, ops in WRONG.items():
        assert linearizable(ops)[0] is False, "the checker takes: %s" % name
