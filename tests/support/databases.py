"""Real PostgreSQL and MariaDB servers on free ports of the loopback interface, one of each for the whole session.

Nothing here skips: where a server is not installed the tests fail and say what to install.
"""

import glob
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

USER = "tester"
DIALECTS = ("sqlite", "postgresql", "mariadb")
_DEADLINE_S = 60.0


@dataclass(frozen=True)
class Server:
    """A running server; `url(database)` leads to one of its databases."""

    dialect: str
    port: int
    password: str

    def url(self, database, *, password=None):
        return f"{self.dialect}://{USER}:{password or self.password}@127.0.0.1:{self.port}/{database}"

    def new_database(self):
        """URL of a database that no other test uses."""
        name = f"t{secrets.token_hex(6)}"
        self.run(f"CREATE DATABASE {name}")
        return self.url(name)

    def run(self, statement, database=None):
        """Execute one statement outside a transaction."""
        with self.connect(database) as connection, connection.cursor() as cursor:
            cursor.execute(statement)

    def connect(self, database=None):
        """A connection of the driver."""
        if self.dialect == "postgresql":
            import psycopg

            return psycopg.connect(
                host="127.0.0.1",
                port=self.port,
                user=USER,
                password=self.password,
                dbname=database or "postgres",
                autocommit=True,
            )
        import pymysql

        return pymysql.connect(
            host="127.0.0.1",
            port=self.port,
            user=USER,
            password=self.password,
            database=database or "mysql",
            autocommit=True,
        )


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def program(name, package, *places):
    """Path of a program, on PATH or at one of the places that distributions choose."""
    found = shutil.which(name) or next(iter(sorted(path for p in places for path in glob.glob(p))[::-1]), None)
    assert found, f"{name} is not installed: install the package {package}"
    return found


def as_user(name):
    """Arguments before a command: end with the parent process and, if we are root, run as another user."""
    setpriv = [program("setpriv", "util-linux"), "--pdeathsig", "KILL"]
    return [*setpriv, f"--reuid={name}", f"--regid={name}", "--init-groups"] if os.geteuid() == 0 and name else setpriv


def run_server(directory, command, server):
    """Start a server and yield it when it answers; stop it at the end."""
    log = (directory / "server.log").open("wb")
    process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=directory)
    try:
        deadline = time.monotonic() + _DEADLINE_S
        while not answers(server):
            text = (directory / "server.log").read_text(errors="replace")
            assert process.poll() is None, f"{server.dialect} ended:\n{text}"
            assert time.monotonic() < deadline, f"{server.dialect} does not answer:\n{text}"
            time.sleep(0.05)
        yield server
    finally:
        process.send_signal(signal.SIGQUIT if server.dialect == "postgresql" else signal.SIGKILL)
        process.wait()
        log.close()
        shutil.rmtree(directory, ignore_errors=True)


def answers(server):
    import psycopg
    import pymysql

    try:
        server.connect().close()
    except (psycopg.OperationalError, pymysql.err.OperationalError):
        return False
    return True


@pytest.fixture(scope="session")
def postgresql():
    """A PostgreSQL server, with passwords; it refuses to run as root, so root runs it as `postgres`."""
    initdb = program("initdb", "postgresql", "/usr/lib/postgresql/*/bin/initdb")
    # pytest's directories are closed to other users, so root's server lies beside them.
    directory = Path(tempfile.mkdtemp(prefix="tickvol-postgresql-", dir="/tmp" if os.geteuid() == 0 else None))
    user = as_user("postgres")
    if os.geteuid() == 0:
        shutil.chown(directory, "postgres")
    server = Server("postgresql", free_port(), secrets.token_urlsafe(12))
    secret = directory / "password"
    secret.write_text(server.password)
    data = directory / "data"
    options = ["--no-sync", "-E", "UTF8", "--locale=C.UTF-8", "-U", USER, "-A", "scram-sha-256", f"--pwfile={secret}"]
    subprocess.run(
        [*user, initdb, "-D", data, *options],
        check=True,
        capture_output=True,
        cwd=directory,
    )
    wanted = ["listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off", "shared_buffers=16MB"]
    settings = [part for setting in wanted for part in ("-c", setting)]
    command = [*user, str(Path(initdb).resolve().with_name("postgres")), "-D", data, "-p", str(server.port), *settings]
    yield from run_server(directory, command, server)


@pytest.fixture(scope="session")
def mariadb(tmp_path_factory):
    """A MariaDB server, with a user that has a password."""
    mariadbd = program("mariadbd", "mariadb-server", "/usr/sbin/mariadbd")
    install = program("mariadb-install-db", "mariadb-server")
    directory = tmp_path_factory.mktemp("mariadb")
    server = Server("mariadb", free_port(), secrets.token_urlsafe(12))
    account = ["--user=root"] if os.geteuid() == 0 else []
    options = ["--no-defaults", f"--datadir={directory}/data", "--innodb-log-file-size=8M", *account]
    subprocess.run(
        [install, *options, "--skip-test-db", "--auth-root-authentication-method=normal"],
        check=True,
        capture_output=True,
        cwd=directory,
    )
    start = directory / "start.sql"
    start.write_text(
        f"CREATE USER '{USER}'@'%' IDENTIFIED BY '{server.password}';\n"
        f"GRANT ALL ON *.* TO '{USER}'@'%' WITH GRANT OPTION;\n"
    )
    with tempfile.TemporaryDirectory(prefix="tickvol-mariadb-") as short:  # the path of a socket has at most 107 bytes
        command = [
            *as_user(None),
            mariadbd,
            *options,
            f"--socket={short}/socket",
            f"--pid-file={directory}/pid",
            f"--init-file={start}",
            f"--port={server.port}",
            "--bind-address=127.0.0.1",
            "--skip-name-resolve",
            "--innodb-buffer-pool-size=16M",
            "--innodb-flush-log-at-trx-commit=0",
        ]
        yield from run_server(directory, command, server)


@pytest.fixture
def new_database(tmp_path, request):
    """`new_database(dialect)`: URL of an empty database of this test alone."""

    def make(dialect):
        if dialect == "sqlite":
            return f"sqlite:///{tmp_path}/{secrets.token_hex(6)}.db"
        return request.getfixturevalue(dialect).new_database()

    return make


@pytest.fixture(params=DIALECTS)
def database_url(request, new_database):
    """URL of an empty database, of each dialect in turn."""
    return new_database(request.param)
