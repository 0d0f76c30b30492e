"""A real SMTP server for tests, on a free port of loopback: takes mails, or misbehaves as asked."""

import base64
import email
import email.policy
import socket
import socketserver
import threading


class Handler(socketserver.StreamRequestHandler):
    timeout = 20

    def say(self, text):
        self.wfile.write(text.encode() + b"\r\n")

    def handle(self):
        server = self.server.owner
        server.connections += 1
        if server.mode == "hang":
            server.stopped.wait(20)
            return
        self.say(server.replies.get("greeting", "220 test ESMTP"))
        self.sender, self.recipients = None, []
        while True:
            try:
                line = self.rfile.readline()
            except OSError:
                return
            if not line:
                return
            server.lines.append(line.decode("latin-1").rstrip("\r\n"))
            verb = line.decode("latin-1").split(":")[0].strip().upper()
            if not self.command(server, verb, line.decode("latin-1").strip()):
                return

    def command(self, server, verb, line):
        word = verb.split(" ")[0]
        if word == "EHLO":
            if server.password:
                self.say("250-test")
                self.say("250 AUTH PLAIN")
            else:
                self.say("250 test")
        elif word == "AUTH":
            token = line.split(" ")[2] if line.count(" ") > 1 else self.challenge()
            ok = base64.b64decode(token).split(b"\0")[1:] == [b"user", server.password.encode()]
            self.say("235 ok" if ok else "535 5.7.8 wrong password")
        elif word == "MAIL":
            self.sender, self.recipients = line, []
            self.say(server.replies.get("mail", "250 ok"))
        elif word == "RCPT":
            reply = server.reply_to(line)
            if reply.startswith("250"):
                self.recipients.append(line.split("<")[1].split(">")[0])
            self.say(reply)
        elif word == "DATA":
            return self.data(server)
        elif word == "QUIT":
            self.say("221 bye")
            return False
        else:
            self.say("250 ok" if word in ("RSET", "NOOP", "HELO") else "502 what")
        return True

    def challenge(self):
        self.say("334 ")
        return self.rfile.readline().decode().strip()

    def data(self, server):
        self.say("354 go on")
        lines = []
        while True:
            line = self.rfile.readline()
            if not line:
                return False
            if line == b".\r\n":
                break
            assert line.endswith(b"\r\n") and len(line) <= 1000
            lines.append(line[1:] if line.startswith(b"..") else line)
        reply = server.replies.get("data", "250 taken")
        if reply.startswith("250"):
            server.take(self.sender, self.recipients, b"".join(lines))
        self.say(reply)
        return True


class SmtpServer:
    """`replies` maps greeting, mail, data, or an address to what is answered."""

    def __init__(self, port=0, mode="take", password=None, address="127.0.0.1"):
        self.mode, self.password, self.replies = mode, password, {}
        self.mails, self.lines, self.connections = [], [], 0
        self.stopped = threading.Event()
        self.arrived = threading.Condition()

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True
            address_family = socket.AF_INET6 if ":" in address else socket.AF_INET

        self.server = Server((address, port), Handler)
        self.server.owner = self
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def reply_to(self, line):
        for name, reply in self.replies.items():
            if f"<{name}>" in line:
                return reply
        return "250 ok"

    def take(self, sender, recipients, raw):
        with self.arrived:
            self.mails.append((sender, recipients, raw))
            self.arrived.notify_all()

    def wait(self, count, seconds=15):
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.mails) >= count, seconds), self.lines
        return [(to, email.message_from_bytes(raw, policy=email.policy.default))
                for _, to, raw in self.mails]

    def stop(self):
        self.stopped.set()
        self.server.shutdown()
        self.server.server_close()
