"""Child processes that have runs of their own, or log to their parent's.

WANDB_SWAN=1 python multiprocessing_children.py [spawn | fork] [own | shared]
"""

import multiprocessing
import sys

import wandb


def own(n):
    with wandb.init(project="children", group="own", id=f"child{n}") as run:
        for i in range(4):
            run.log({"n": n, "i": i})


def shared(run, n):
    for i in range(4):
        run.log({f"child{n}": i})


if __name__ == "__main__":
    method, kind = sys.argv[1:]
    context = multiprocessing.get_context(method)
    with wandb.init(project="children", id="parent", config={"method": method}) as run:
        run.log({"parent": 0})
        for n in range(2):
            child = (
                context.Process(target=own, args=(n,))
                if kind == "own"
                else context.Process(target=shared, args=(run, n))
            )
            child.start()
            child.join()
            assert child.exitcode == 0
        run.log({"parent": 1})
