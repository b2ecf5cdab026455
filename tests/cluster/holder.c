// SPDX-License-Identifier: Apache-2.0
/* Makes a known number of TCP sockets in known states within its own network namespace and keeps them so until
 * SIGTERM. Static, because its image holds nothing else; without arguments it is the cluster's pause container.
 *
 *   holder [listen=N] [established=N] [close_wait=N] [unread=N] [unaccepted=N] [ready=FILE]
 *   holder wait FILE
 *
 * listen       listening sockets, besides the one that the connections need
 * established  connections that are open at both ends: two ESTABLISHED each
 * close_wait   connections that only the client has closed, which the server has seen: one CLOSE_WAIT, one FIN_WAIT2
 *              each; the server owes the close
 * unread       the same, but the server has not read what came
 * unaccepted   the same, never accepted
 *
 * The client keeps its end open and only shuts it down for writing: a FIN_WAIT2 with an owner has no timeout, so
 * the numbers stay what they are. `wait` ends when FILE is there, for a postStart hook: a pod counts as running only
 * when its sockets are made, without a probe that would make sockets of its own.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void on_signal(int number) {
  if (number != SIGCHLD) _exit(0);
  const int saved = errno;
  while (waitpid(-1, NULL, WNOHANG) > 0) {
  }
  errno = saved;
}

static void fail(const char* what) {
  perror(what);
  exit(1);
}

static int make_listener(struct sockaddr_in* address) {
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  socklen_t size = sizeof *address;
  *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (listener < 0 || bind(listener, (struct sockaddr*)address, size) != 0 || listen(listener, 4096) != 0 ||
      getsockname(listener, (struct sockaddr*)address, &size) != 0) {
    fail("listening");
  }
  return listener;
}

static int make_client(const struct sockaddr_in* address) {
  const int client = socket(AF_INET, SOCK_STREAM, 0);
  if (client < 0 || connect(client, (const struct sockaddr*)address, sizeof *address) != 0) fail("connecting");
  return client;
}

static int accept_one(int listener) {
  const int server = accept(listener, NULL, NULL);
  if (server < 0) fail("accepting");
  return server;
}

static void read_end(int server) {
  char byte;
  if (read(server, &byte, 1) != 0) fail("reading the end");
}

static void shut_down(int client) {
  if (shutdown(client, SHUT_WR) != 0) fail("shutting down");
}

static int wait_for(const char* file) {
  while (access(file, F_OK) != 0) usleep(20000);
  return 0;
}

struct number {
  const char* name;
  int value;
};

enum { kListen, kEstablished, kCloseWait, kUnread, kUnaccepted, kNumbers };

static int set(struct number* numbers, const char* argument) {
  for (int i = 0; i < kNumbers; ++i) {
    const size_t length = strlen(numbers[i].name);
    if (strncmp(argument, numbers[i].name, length) == 0 && argument[length] == '=') {
      numbers[i].value = atoi(argument + length + 1);
      return 1;
    }
  }
  return 0;
}

int main(int count, char** arguments) {
  if (count == 3 && strcmp(arguments[1], "wait") == 0) return wait_for(arguments[2]);
  struct sigaction action = {.sa_handler = on_signal};
  sigaction(SIGTERM, &action, NULL);
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGCHLD, &action, NULL);

  struct number numbers[kNumbers] = {
      {"listen", 0}, {"established", 0}, {"close_wait", 0}, {"unread", 0}, {"unaccepted", 0}};
  const char* ready = NULL;
  for (int i = 1; i < count; ++i) {
    if (strncmp(arguments[i], "ready=", 6) == 0) {
      ready = arguments[i] + 6;
    } else if (!set(numbers, arguments[i])) {
      fprintf(stderr, "unknown argument: %s\n", arguments[i]);
      return 2;
    }
  }
  struct sockaddr_in address;
  for (int i = 0; i < numbers[kListen].value; ++i) make_listener(&address);
  if (numbers[kEstablished].value + numbers[kCloseWait].value + numbers[kUnread].value + numbers[kUnaccepted].value > 0) {
    const int listener = make_listener(&address);
    for (int i = 0; i < numbers[kEstablished].value; ++i) {
      make_client(&address);
      accept_one(listener);
    }
    for (int i = 0; i < numbers[kCloseWait].value; ++i) {
      const int client = make_client(&address);
      const int server = accept_one(listener);
      shut_down(client);
      read_end(server);
    }
    for (int i = 0; i < numbers[kUnread].value; ++i) {
      const int client = make_client(&address);
      accept_one(listener);
      if (send(client, "x", 1, 0) != 1) fail("sending");
      shut_down(client);
    }
    for (int i = 0; i < numbers[kUnaccepted].value; ++i) shut_down(make_client(&address));
  }
  if (ready != NULL) {
    const int file = open(ready, O_CREAT | O_WRONLY, 0644);
    if (file < 0) fail(ready);
    close(file);
  }
  for (;;) pause();
}
