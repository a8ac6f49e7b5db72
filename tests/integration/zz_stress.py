import shlex, sys
from tests.integration.addon_cases import ADVENTURER, armatures
def go(session):
    command = session.module("command_line")
    session.preferences.command = shlex.join([sys.executable, "-m", "inference_server", "serve"])
    session.preferences.keep_running=False
    now=session.now
    # keep one server for all rounds
    now.start(); session.tick(); now.start_server(); session.tick_until(lambda: now.snapshot.server.state=="running")
    command._stop_server = lambda now: None
    for i in range(14):
        assert command.main([str(ADVENTURER), "-o", str(session.folder/"o.blend"), "--engine","draft","--name","Kit"])==0
    session.stop_server()
