"""Where a creation came from and what came of it: the graph of parents and children around it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import sqlalchemy as sa

from luoxia.workspace import chain, database
from luoxia.workspace.creation import Creation
from luoxia.workspace.history import Workspace
from luoxia.workspace.tables import creations, parents

MOST = 200  # creations in one graph


@dataclass
class Lineage:
    """``nodes`` by id, in the order of their ids; None of one that is known as a parent only. ``edges`` are (parent, child,
    role). ``cut`` tells that there are more than ``MOST``."""

    focus: str
    nodes: dict[str, Creation | None] = field(default_factory=dict)
    edges: list[tuple[str, str, str]] = field(default_factory=list)
    cut: bool = False

    def above(self, id: str) -> list[str]:
        return [parent for parent, child, _ in self.edges if child == id]

    def below(self, id: str) -> list[str]:
        return [child for parent, child, _ in self.edges if parent == id]


def lineage(workspace: Workspace, id: str) -> Lineage:
    """All ancestors of creation ``id`` and all its descendants, as far as they are recorded here, the nearest first where
    they are more than ``MOST``."""
    found = Lineage(id)
    with database.reading(workspace.engine) as connection:
        seen, cut = _reached(connection, id)
        found.cut = cut
        asked = sa.select(creations.c.id, creations.c.number).where(creations.c.id.in_(seen))
        numbers = {row.id: row.number for row in connection.execute(asked)}
        for one in sorted(seen):
            found.nodes[one] = chain.body_of(connection, numbers[one]) if one in numbers else None
        between = sa.select(parents.c.parent, parents.c.child, parents.c.role).where(
            parents.c.parent.in_(seen), parents.c.child.in_(seen)
        )
        order = between.order_by(parents.c.child, parents.c.place)
        found.edges = [(row.parent, row.child, row.role) for row in connection.execute(order)]
    return found


def _reached(connection: sa.Connection, id: str) -> tuple[set[str], bool]:
    seen = {id}
    for source, target in ((parents.c.child, parents.c.parent), (parents.c.parent, parents.c.child)):
        reached, waiting = {id}, deque([id])  # up from the creation, then down: not to its siblings
        while waiting:
            step = sa.select(target).where(source == waiting.popleft()).order_by(target).limit(MOST + 1)
            for other in connection.scalars(step):
                if other in reached:
                    continue
                if len(seen | {other}) > MOST:
                    return seen, True
                reached.add(other)
                seen.add(other)
                waiting.append(other)
    return seen, False


def layers(graph: Lineage) -> dict[str, int]:
    """How many steps each creation is from the farthest ancestor of its own in the graph. A circle, which only records
    written by another hand can tell of, is cut where it closes."""
    depth: dict[str, int] = {}
    for start in graph.nodes:
        stack, open_ = [(start, iter(graph.above(start)))], {start}
        while stack:
            one, above = stack[-1]
            parent = next((p for p in above if p not in depth and p not in open_), None)
            if one in depth or parent is None:
                known = [depth[p] for p in graph.above(one) if p in depth]
                depth.setdefault(one, max(known, default=-1) + 1)
                open_.discard(one)
                stack.pop()
            else:
                open_.add(parent)
                stack.append((parent, iter(graph.above(parent))))
    return depth
