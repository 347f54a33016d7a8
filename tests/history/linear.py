#  linear.py - decides whether a history of one exclusive unit is linearizable: Wing and Gong's
#  search, with a memo of what was tried (done operations and state).
#
#  The unit is free, or held by a lease that is active, or by one that is on its way out. A release is
#  two steps, for a lease that is on its way out can do nothing and still keeps others out.

INFINITY = float("inf")


class Op:
    """What was asked of a unit, between two moments of one clock. `result` is None where no answer
    came: it may have been done at any moment behind its begin, or never."""

    __slots__ = ("kind", "lease", "generation", "begin", "end", "result", "after", "text")

    def __init__(self, kind, begin, end, result, lease=None, generation=None, after=None, text=""):
        self.kind, self.begin, self.result = kind, begin, result
        self.end = INFINITY if result is None else end
        self.lease, self.generation, self.after, self.text = lease, generation, after, text

    def __repr__(self):
        return "%s %s %s [%.6f %.6f] %s %s" % (
            self.kind, self.lease, self.generation, self.begin, self.end, self.result, self.text)


def step(op, state, generations):
    """The state behind it, or False where it cannot be here. A state: None, (lease, active)."""
    mine = state is not None and state[0] == op.lease
    if op.kind == "acquire":
        if op.result == "refused":
            return state if state is not None else False
        return (op.lease, True) if state is None else False
    if op.kind == "leaving":
        return (op.lease, False) if mine else state
    if op.kind == "left":
        return None if mine else state
    if op.kind == "use":
        right = op.generation == generations.get(op.lease)
        if op.result == "ok":
            return state if mine and state[1] and right else False
        return state if not (mine and state[1] and right) else False
    raise AssertionError(op.kind)


def generations_of(ops):
    return {op.lease: op.generation for op in ops if op.kind == "acquire" and op.lease}


def ordered(ops):
    """Generations grow along real time, and none is there twice. Returns what does not fit, or None."""
    got = [op for op in ops if op.kind == "acquire" and op.result == "ok"]
    if len({op.generation for op in got}) != len(got):
        return "a generation was given twice"
    ended, highest, last = sorted(got, key=lambda op: op.end), 0, 0
    for op in sorted(got, key=lambda op: op.begin):
        while last < len(ended) and ended[last].end < op.begin:
            highest = max(highest, ended[last].generation)
            last += 1
        if op.generation <= highest:
            return "generation %d behind %d" % (op.generation, highest)
    return None


def linearizable(ops, budget=2000000):
    """(True, None), (False, why), or (None, why) if the budget was not enough."""
    why = ordered(ops)
    if why:
        return False, why
    generations = generations_of(ops)
    sure = sorted((op for op in ops if op.result is not None), key=lambda op: op.begin)
    maybe = [op for op in ops if op.result is None and op.kind != "use"]
    place = {id(op): index for index, op in enumerate(sure)}
    place.update({id(op): index for index, op in enumerate(maybe)})
    count = len(sure)

    def done(op, low, mask, tried):
        index = place[id(op)]
        if op.result is None:
            return tried >> index & 1
        return index < low or mask >> (index - low) & 1

    #  A node: first operation that is not done, those done behind it, those of `maybe`, the state
    stack, seen, deepest = [(0, 0, 0, None)], set(), 0
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        if len(seen) > budget:
            return None, "undecided behind %d states" % budget
        low, mask, tried, state = node
        deepest = max(deepest, low)
        if low == count:
            return True, None
        bound, next_nodes = INFINITY, []
        for index in range(low, count):
            if mask >> (index - low) & 1:
                continue
            op = sure[index]
            if op.begin > bound:
                break
            bound = min(bound, op.end)
            if op.after and not done(op.after, low, mask, tried):
                continue
            behind = step(op, state, generations)
            if behind is False:
                continue
            new_low, new_mask = low, mask | 1 << (index - low)
            while new_mask & 1:
                new_mask >>= 1
                new_low += 1
            next_nodes.append((op.end, (new_low, new_mask, tried, behind)))
        for index, op in enumerate(maybe):
            if tried >> index & 1 or op.begin > bound \
                    or (op.after and not done(op.after, low, mask, tried)):
                continue
            behind = step(op, state, generations)
            if behind is not False and behind != state:     # What changes nothing here can wait
                next_nodes.append((INFINITY, (low, mask, tried | 1 << index, behind)))
        #  The one that ended first is tried first
        stack += [node for _, node in sorted(next_nodes, key=lambda pair: -pair[0])]
    return False, "nothing fits at or before: %r" % (sure[max(0, deepest - 3):deepest + 4],)
