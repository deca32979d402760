/*
 * The witness of a load: notes each process of the machine while the load runs.
 *
 *   witness FILE
 *
 * Prints "ready". At SIGTERM it writes the events to FILE, and prints the number of messages that it has not received. It needs
 * no filter and no details, and its buffer has room for seconds. So it receives what the tested programs lose.
 */
#include "../../bench/peers/connector.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 8000000, CPUS = 4096, BUFFER = 128 << 20 };

/* Kind 1: a fork, 2: an exec, 3: an exit of a process, with the time on CLOCK_MONOTONIC. Only a fork has the parent's pid. */
static struct event {
  uint64_t timestamp_ns;
  uint32_t kind, pid, parent, unused;
} events[EVENTS];
static size_t event_count;
/* The number of the next message of each CPU, and 1 if it is known. */
static struct {
  uint32_t next, is_known;
} numbers[CPUS];
static uint64_t missed;
static volatile sig_atomic_t is_over;

static void end(int unused) {
  (void)unused;
  is_over = 1;
}

/* The kernel numbers the messages of each CPU. */
static void count(uint32_t cpu, uint32_t number) {
  if (cpu >= CPUS) return;
  if (numbers[cpu].is_known) missed += number - numbers[cpu].next;
  numbers[cpu].next = number + 1;
  numbers[cpu].is_known = 1;
}

static void note(const struct proc_event *event) {
  struct event noted = {.timestamp_ns = event->timestamp_ns};
  switch (event->what) {
  case PROC_EVENT_FORK:
    if (event->event_data.fork.child_pid != event->event_data.fork.child_tgid) return;
    noted.kind = 1;
    noted.pid = (uint32_t)event->event_data.fork.child_tgid;
    noted.parent = (uint32_t)event->event_data.fork.parent_tgid;
    break;
  case PROC_EVENT_EXEC:
    noted.kind = 2;
    noted.pid = (uint32_t)event->event_data.exec.process_tgid;
    break;
  case PROC_EVENT_EXIT:
    if (event->event_data.exit.process_pid != event->event_data.exit.process_tgid) return;
    noted.kind = 3;
    noted.pid = (uint32_t)event->event_data.exit.process_tgid;
    break;
  default:
    return;
  }
  if (event_count == EVENTS) missed++;
  else events[event_count++] = noted;
}

/* Reads what has come by now. */
static void drain(int socket) {
  struct {
    struct nlmsghdr header;
    struct cn_msg message;
    struct proc_event event;
  } __attribute__((packed)) datagram;
  for (;;) {
    ssize_t length = recv(socket, &datagram, sizeof datagram, MSG_DONTWAIT);
    if (length < 0 && errno == EAGAIN) return;
    /* ENOBUFS: the numbers tell how many. */
    if (length < (ssize_t)sizeof datagram || datagram.event.what == PROC_EVENT_NONE) continue;
    struct proc_event event = datagram.event;
    count(event.cpu, datagram.message.seq);
    note(&event);
  }
}

int main(int argument_count, char **arguments) {
  if (argument_count != 2) return 64;
  struct sigaction action = {.sa_handler = end};
  sigaction(SIGTERM, &action, NULL);
  int listener = connect_to_kernel(0), size = BUFFER;
  if (setsockopt(listener, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) < 0) fail("SO_RCVBUFFORCE");
  puts("ready");
  fflush(stdout);
  while (!is_over) {
    drain(listener);
    /* A message does not wake it, because each wake-up would take time from the load. */
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
  }
  drain(listener);
  /* The kernel keeps counting a listener that only closes its socket. */
  send_operation(listener, PROC_CN_MCAST_IGNORE);
  FILE *file = fopen(arguments[1], "we");
  if (file == NULL || fwrite(events, sizeof *events, event_count, file) != event_count || fclose(file) != 0)
    fail(arguments[1]);
  printf("missed %llu\n", (unsigned long long)missed);
  return 0;
}
