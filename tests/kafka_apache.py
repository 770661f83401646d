"""An Apache Kafka broker of a test's own, which may be killed and started again on the same data.

Here live its settings and no tests; its jars lie in the folder that MATRIX_TEST_KAFKA_JARS names, and
`kafka_apache.pom.xml` says how they get there. It may import `kafka_local`.
"""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from kafka_local import Broker, _free_port

JARS = os.environ.get("MATRIX_TEST_KAFKA_JARS", "")

_PROPERTIES = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={folder}/data
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
broker.heartbeat.interval.ms=100
broker.session.timeout.ms=1000
"""
"""A broker that was killed may come back once its session is over: that takes 9 s unless told otherwise."""


class ApacheBroker(Broker):
    """One node of Apache Kafka: broker and controller in one process."""

    transactions = True

    def __init__(self) -> None:
        super().__init__()
        self._controller = _free_port()

    def command(self, folder: Path) -> tuple[Sequence[str], str]:
        """Return what starts the broker; its first start formats the storage."""
        java = shutil.which("java")
        assert java, "Apache Kafka needs java"
        log = ["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dorg.slf4j.simpleLogger.log.kafka.server=info"]
        run = [java, "-Xmx256m", "-XX:+UseSerialGC", *log, "-cp", f"{JARS}/*"]
        settings = folder / "server.properties"
        if not settings.exists():
            text = _PROPERTIES.format(port=self.port, controller=self._controller, folder=folder)
            settings.write_text(text, encoding="utf-8")
            identity = ["-t", "AAAAAAAAAAAAAAAAAAAAAQ", "-c", str(settings)]
            self._supervised.run([*run, "kafka.tools.StorageTool", "format", *identity], {})
        return [*run, "kafka.Kafka", str(settings)], "Kafka Server started"
