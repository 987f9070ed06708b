"""What a hostile script may try: to get at files, the network and other processes, and to make its node do what nobody agreed to.

Each attempt is Python that must raise. Names it can use: `home`, the folder of script, key and data; `node`, the process that holds
the key; `port`, where somebody listens.
"""

from __future__ import annotations

from dataclasses import dataclass

# -- the system: each line must raise OSError, by whoever refuses it --------------------------------------------------------------

ATTEMPTS = {
    # files
    "read the password file": 'open("/etc/passwd").read()',
    "read the node's key": 'open(f"{home}/clinic.key").read()',
    "read the owner's data file": 'open(f"{home}/clinic.csv").read()',
    "read keys of the user": 'os.open(os.path.expanduser("~/.ssh"), os.O_RDONLY)',
    "read through a link": 'open(f"{home}/link").read()',
    "list the script's folder": "os.listdir(home)",
    "read by descriptor of a folder": 'os.open("clinic.key", os.O_RDONLY, dir_fd=os.open(home, os.O_PATH))',
    "write beside the script": 'open(f"{home}/new", "w")',
    "write to what it may read": 'open(os.__file__, "r+")',
    "write where everybody may": 'open("/tmp/escaped", "w")',
    "make a folder": 'os.mkdir(f"{home}/folder")',
    "make a hard link": 'os.link(f"{home}/clinic.key", f"{home}/copy.py")',
    "make a symbolic link": 'os.symlink("/etc/passwd", f"{home}/other")',
    "remove a file": 'os.remove(f"{home}/clinic.csv")',
    "rename a file": 'os.rename(f"{home}/clinic.csv", f"{home}/x")',
    "cut a file": 'os.truncate(f"{home}/clinic.csv", 0)',
    "make the key readable": 'os.chmod(f"{home}/clinic.key", 0o644)',
    "make a named pipe": 'os.mkfifo(f"{home}/pipe")',
    "set a file's time": 'os.utime(f"{home}/clinic.csv", (0, 0))',
    "mark a file": 'os.setxattr(f"{home}/clinic.csv", "user.x", b"secret")',
    # the node
    "read the node's memory": 'open(f"/proc/{node}/mem", "rb")',
    "read the node's environment": 'open(f"/proc/{node}/environ", "rb").read()',
    "read the node's arguments": 'open(f"/proc/{node}/cmdline", "rb").read()',
    "list the node's descriptors": 'os.listdir(f"/proc/{node}/fd")',
    "read its own entry in /proc": 'open("/proc/self/status").read()',
    "copy the node's memory": "call(310, node, pointer(), 1, pointer(), 1, 0)",
    "write the node's memory": "call(311, node, pointer(), 1, pointer(), 1, 0)",
    "trace the node": "call(101, 16, node, 0, 0)",
    "stop the node": "os.kill(node, signal.SIGSTOP)",
    "ask whether the node is there": "os.kill(node, 0)",
    "signal a thread of the node": "call(234, node, node, 15)",
    "signal the node by descriptor": "os.pidfd_open(node)",
    "queue a signal": "call(129, node, 15, pointer())",
    "have signals sent by a descriptor": "fcntl.fcntl(1, 8, node)",
    "have signals sent by ioctl": "fcntl.ioctl(1, 0x8901, struct.pack('i', node))",
    "limit the node": "resource.prlimit(node, resource.RLIMIT_NOFILE, (0, 0))",
    "slow the node down": "os.setpriority(os.PRIO_PROCESS, node, 19)",
    "move the node": "os.sched_setaffinity(node, {0})",
    # network
    "make a TCP socket": "socket.socket()",
    "make a UDP socket": "socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)",
    "connect to the dealer": 'socket.create_connection(("127.0.0.1", port), 1)',
    "listen": 'socket.create_server(("127.0.0.1", 0))',
    "make a unix socket": "socket.socket(socket.AF_UNIX)",
    "make a pair of sockets": "socket.socketpair()",
    "make a netlink socket": "socket.socket(16, socket.SOCK_RAW)",
    "make a packet socket": "socket.socket(17, socket.SOCK_RAW)",
    # processes
    "fork": "os.fork()",
    "fork by its number": "call(57)",
    "share memory with a child": "call(56, 0x4111, 0, 0, 0, 0)",
    "start a program": 'subprocess.run(["/bin/true"])',
    "become a program": 'os.execv("/bin/sh", ["sh"])',
    "start a program from memory": 'os.memfd_create("program")',
    "start by posix_spawn": 'os.posix_spawn("/bin/true", ["true"], {})',
    # the kernel
    "mount": "call(165, pointer(), pointer(), pointer(), 0, 0)",
    "unmount": "call(166, pointer(), 0)",
    "leave by chroot": 'os.chroot("/")',
    "enter new namespaces": "call(272, 0x10000000)",
    "enter others' namespaces": "call(308, 0, 0)",
    "use io_uring": "call(425, 8, pointer())",
    "load BPF": "call(321, 0, pointer(), 0)",
    "use the keyring": "call(250, 0, -3, 0)",
    "handle page faults": "call(323, 0)",
    "watch performance": "call(298, pointer(), 0, -1, -1, 0)",
    "open by handle": "call(304, -100, pointer(), 0)",
    "open by a structure": "call(437, -100, pointer(), pointer(), 24)",
    "load a module": "call(175, pointer(), 0, pointer())",
    "set the clock": "time.clock_settime(time.CLOCK_REALTIME, 0.0)",
    "shared memory": "call(29, 0, 4096, 0o1600)",
    "a message queue": "call(68, 0, 0o1600)",
    "become dumpable": "prctl(4, 1)",
    "outlive the node": "prctl(1, 0)",
    "loosen the filter": "prctl(22, 0)",
    "become somebody else": "os.setuid(12345)",
    "raise a limit": "resource.setrlimit(resource.RLIMIT_AS, (-1, -1))",
    "fill the disk": "call(285, 1, 0, 0, 1 << 30)",
}

PRELUDE = """
import ctypes, fcntl, os, resource, signal, socket, struct, subprocess, sys, time

from protocols import load, reveal

home, node, port = {home!r}, os.getppid(), {port}
libc = ctypes.CDLL(None, use_errno=True)


def call(number, *arguments):
    if libc.syscall(ctypes.c_long(number), *[a if not isinstance(a, int) else ctypes.c_long(a) for a in arguments]) < 0:
        raise OSError(ctypes.get_errno(), "refused")


def prctl(*arguments):
    if libc.prctl(*[ctypes.c_ulong(a) for a in arguments]) < 0:
        raise OSError(ctypes.get_errno(), "refused")


def pointer():
    return ctypes.create_string_buffer(256)


def tried(when):
    held = [number for number in range(256) if is_open(number)]
    print(f"{{when}}|descriptors|{{len(held)}}", flush=True)
    for name, attempt in {attempts!r}.items():
        try:
            exec(attempt, globals())
            print(f"{{when}}|{{name}}|ESCAPED", flush=True)
        except (OSError, ValueError) as error:  # the latter where Python itself refuses to raise a limit
            print(f"{{when}}|{{name}}|{{getattr(error, 'errno', 'refused')}}", flush=True)
    print(f"{{when}}|environment|{{sorted(os.environ)}}", flush=True)


def is_open(number):
    try:
        os.fstat(number)
        return True
    except OSError:
        return False


tried("planning")


def main(s):
    if hasattr(s._engine, "cost") and s._engine.__class__.__name__ == "Execution":
        tried("running")
    reveal(load(s, "clinic", "values").sum(), label="total")
"""

# -- the process itself: what is tried ends it, or fails; whichever, the node goes on ---------------------------------------------

DEADLY = {
    "calls of 32-bit programs": 'f = machine_code(bytes.fromhex("b814000000cd80c3")); print("ESCAPED", f())',
    "calls of x32": "print('ESCAPED', call(0x40000000 + 39))",
    "all memory": "x = []\nwhile True: x.append(bytearray(1 << 28)); print('.', end='')",
    "threads without end": "import threading\nwhile True: threading.Thread(target=time.sleep, args=(99,)).start()",
    "an exit without a word": "os._exit(0)",
    "a crash": "ctypes.string_at(0)",
    "an abort": "os.abort()",
}

MACHINE_CODE = """
import mmap


def machine_code(code):
    room = mmap.mmap(-1, 4096, prot=7)
    room.write(code)
    return ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(room)))
"""


# -- the dialogue: what a script may say to its node while it runs ----------------------------------------------------------------


@dataclass(frozen=True)
class Forgery:
    """What is said instead of an honest session, and a word of the error that the owner then sees."""

    said: str
    error: str


FORGERIES = {
    "a second reveal": Forgery("value(); wire.exchange(Kind.REVEAL, {'insurer': [bytes(8)]}, {'insurer': 8}, at(s))", "a reveal"),
    "a reveal that is not written down": Forgery(
        "wire.exchange(Kind.REVEAL, {'insurer': [bytes(8)]}, {'insurer': 8}, at(s))", "a reveal"
    ),
    "another value written down": Forgery(
        "wire.ask(Leaves([('fit.py:1', 'secret', (), ('clinic', 'insurer'))]), answer=First)", "would leave"
    ),
    "a value written down twice": Forgery("value(); wire.ask(Leaves([leaving(s)]), answer=First)", "would leave"),
    "a reveal with another's words": Forgery("wire.tell(Gone(0, [(64, False, '', True, True)]), [bytes(8)])", "not announced"),
    "words of a reveal that has not passed": Forgery(
        "wire.ask(Leaves([leaving(s)]), answer=First); wire.tell(Gone(0, [(64, False, '', True, True)]), [bytes(8)])", "not passed"
    ),
    "a table that is not read": Forgery("wire.tell(Enters('insurer', 'other', 3))", "a table enters"),
    "rows that are not there": Forgery("wire.tell(Enters('insurer', 'values', 4))", "a table enters"),
    "an end before everything has left": Forgery(
        "wire.ask(Leaves([leaving(s)]), answer=First); wire.ask(Concludes(bytes(16)))", "everything has left"
    ),
    "an end without a word": Forgery("value(); wire.tell(Ended(1, 1, 'native', 0))", "nobody has signed"),
    "a round after the end": Forgery(
        "wire.ask(Concludes(bytes(16))); wire.exchange(Kind.OPEN, {'insurer': [b'secret']}, {'insurer': 6}, at(s))", "after the end"
    ),
    "orders after the end": Forgery(
        "wire.ask(Concludes(bytes(16))); wire.send('dealer', Kind.DESCRIPTORS, [b''], bytes(16))", "after the end"
    ),
    "a goodbye that nobody has signed": Forgery("wire.ask(Goodbye())", "nobody has signed"),
    "two ends": Forgery("wire.ask(Concludes(bytes(16))); wire.ask(Concludes(bytes(16)))", "everything has left"),
    "a larger reveal": Forgery("wire.exchange(Kind.REVEAL, {'insurer': [bytes(800)]}, {'insurer': 8}, at(s))", "a reveal"),
    "more openings": Forgery("wire.exchange(Kind.OPEN, {'insurer': [bytes(1 << 20)]}, {'insurer': 8}, at(s))", "more bytes"),
    "a reveal to the dealer": Forgery("wire.exchange(Kind.REVEAL, {'dealer': [bytes(8)]}, {'dealer': 8})", "every other party"),
    "data to the dealer": Forgery("wire.send('dealer', Kind.DESCRIPTORS, [b'secret'], bytes(range(16)))", "of the dealer"),
    "orders of another digest": Forgery("forged_orders()", "of the dealer"),
    "a frame to a peer": Forgery("wire.send('insurer', Kind.OPEN, [bytes(8)])", "what it must not"),
    "an abort in the node's name": Forgery("wire.send('insurer', Kind.ABORT, [b'secret'])", "what it must not"),
    "a store's message": Forgery("wire.send('dealer', Kind.STORE, [b'secret'])", "what it must not"),
    "a frame from nobody": Forgery("wire.receive('nobody', Kind.CORRECTIONS)", "what it must not"),
    "a frame without end": Forgery("wire.receive('dealer', Kind.CORRECTIONS, limit=1 << 40)", "what it must not"),
    "a length below zero": Forgery("wire.exchange(Kind.OPEN, {'insurer': []}, {'insurer': -1})", "what it must not"),
    "a huge exchange": Forgery("wire.ask(Exchange(3, [(['insurer'], 1 << 50)], {'insurer': 8}, at(s)))", "more bytes"),
    "a huge message": Forgery("sock.send(b'\\xff' * 4)", "longer than any message"),
    "a digest of its own": Forgery(
        "wire.exchange(Kind.OPEN, {'insurer': [bytes(8)]}, {'insurer': 8}, b'secret, 16 bytes')", "at a point"
    ),
    "a round without anything": Forgery("wire.exchange(Kind.OPEN, {'insurer': []}, {'insurer': 0}, at(s))", "a round of kind"),
    "words for nobody": Forgery("wire.ask(Exchange(3, [([], 3 << 30)], {'insurer': 8}, at(s)))", "for nobody"),
    "a trail where all are in step": Forgery("wire.send('insurer', Kind.TRAIL, [b'secret'])", "what it must not"),
    "a segment of its own": Forgery("wire.tell(Begun(7, []))", "a segment"),
    "rounds of its own": Forgery("wire.tell(Rounds(50007))", "more rounds"),
    "a result for somebody else": Forgery("wire.tell(Result('total', ['insurer'], '<f8', [], 8), [bytes(8)])", "does not have"),
    "a result that steers terminals": Forgery(
        "wire.tell(Result('total', ['clinic', 'insurer'], '<U4', [], 16), ['\\x1b[2J'.encode('utf-32-le')])", "be shown"
    ),
    "a result of no size": Forgery(
        "wire.tell(Result('total', ['clinic', 'insurer'], '<f8', [0, 1 << 62, 1 << 62], 0))", "a type that none has"
    ),
    "nonsense": Forgery("sock.send(b'\\x05\\0\\0\\0hello')", "not one of the messages"),
    "a message of the node": Forgery("wire.tell(Refused('UsageError', 'forged'))", "not one of the messages"),
    "a pickle": Forgery("import pickle; p = pickle.dumps(print); sock.send(len(p).to_bytes(4, 'little') + p)", "not one of the"),
    "a plan once more": Forgery("wire.tell(Planned(0))", "not one of the messages"),
    "somebody else's table": Forgery("next(iter(s._columns.values()))('spare')", "does not load"),
    "a result that is none": Forgery("wire.tell(Result('other', ['clinic'], '<f8', [], 8), [bytes(8)])", "does not have"),
    "a result without end": Forgery(
        "wire.tell(Result('total', ['clinic', 'insurer'], '<f8', [1 << 40], 1 << 43))", "does not have"
    ),
    "an object as a result": Forgery("wire.tell(Result('total', ['clinic', 'insurer'], '|O', [], 8), [bytes(8)])", "that none has"),
    "a reveal that is announced only": Forgery("wire.tell(Begun(1, [('secret', ['dealer'])]))", "not in the plan"),
    "a model that nobody planned to save": Forgery(
        "wire.tell(Keep('../risk', '{}', 'ab' * 32, 8), [bytes(8)])", "a model is saved that the plan does not have"
    ),
    "a share that the plan does not use": Forgery("next(iter(s._columns.values()))('saved risk')", "does not load"),
    "a store that is not there": Forgery("wire.ask(Correction(8))", "where there is none"),
    "a profile without end": Forgery("signed(s, wire); wire.tell(Ended(1, 1, 'native', 1 << 40))", "too large"),
    "the library's own contract undone": Forgery(
        "type(s)._allow = lambda *_: None; reveal(load(s, 'clinic', 'values'), label='rows')", "not in the plan"
    ),
    "a text with data for the peers": Forgery(
        "wire.tell(Failed('IntegrityError', '4711-secret', 'fit.py:1, 4711-secret', '4711', '4711', '4711'))", "4711-secret"
    ),
}

AFTERWARDS = ("a profile without end",)  # when all have said goodbye

FORGER = """
import hashlib

from mpc.command.dialogue import *
from mpc.frame import Kind
from mpc.transport.relay import *
from protocols import load, reveal


def main(s):
    wire = getattr(s._engine, "_transport", None)
    if wire is None or s.name != "clinic":
        return honest(s)
    sock = wire.channel._sock
    value = lambda: honest(s)
    forged_orders = lambda: wire.send("dealer", Kind.DESCRIPTORS, [b"secret"], first_digest(s))
    {said}
    wire.ask(Goodbye())


def leaving(s):
    return next(iter(s._contract))[:4]


def at(s):
    return next(iter(s._engine._asking._foreseen.digests))


def signed(s, wire):
    honest(s)
    s._engine._asking.close()
    wire.ask(Concludes(bytes(16)))
    wire.ask(Goodbye())


def first_digest(s):
    orders = s._engine._asking._foreseen.batches[b""].orders
    return hashlib.blake2b(orders, digest_size=16).digest()


def honest(s):
    reveal((load(s, "clinic", "values") * load(s, "insurer", "values")).sum(), label="total")
"""
