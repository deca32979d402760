/*
 * A bare listener: what the kernel asks of anybody who listens, and nothing more.
 *
 *   listener plain|filter FILE CLOCK
 *
 * `filter` has the kernel pass only execs, exits of processes and acknowledgements: the floor. It is woken for each event.
 * Prints "ready", and at SIGTERM writes the records to FILE (see records.ts). With CLOCK 1 they say how late they were.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { RECORDS = 4000000 };
static uint32_t records[RECORDS][3];
static size_t record_count;
static volatile sig_atomic_t is_over;

static void end(int unused) {
  (void)unused;
  is_over = 1;
}

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static void tell(int socket, uint32_t operation) {
  struct {
    struct nlmsghdr header;
    struct cn_msg message;
    uint32_t operation;
  } __attribute__((packed)) request = {
      .header = {.nlmsg_len = sizeof request, .nlmsg_type = NLMSG_DONE},
      .message = {.id = {CN_IDX_PROC, CN_VAL_PROC}, .len = sizeof operation},
      .operation = operation,
  };
  struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
  if (sendto(socket, &request, sizeof request, 0, (struct sockaddr *)&kernel, sizeof kernel) < 0) fail("sendto");
}

/* Offsets in the datagram: what 36, process_pid 52, process_tgid 56. */
static void attach_filter(int socket) {
  struct sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 36),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl(PROC_EVENT_EXEC), 6, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl(PROC_EVENT_EXIT), 1, 0),
      /* An acknowledgement has a `what` of 0. */
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 4, 5),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 52),
      BPF_STMT(BPF_MISC | BPF_TAX, 0),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 56),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_X, 0, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
      BPF_STMT(BPF_RET | BPF_K, 0),
  };
  struct sock_fprog filter = {.len = sizeof program / sizeof *program, .filter = program};
  if (setsockopt(socket, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) < 0) fail("SO_ATTACH_FILTER");
}

static uint32_t since(uint64_t moment) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  uint64_t late = (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec - moment;
  return late > UINT32_MAX ? UINT32_MAX : (uint32_t)late;
}

static void hear(int socket, int has_clock) {
  struct {
    struct nlmsghdr header;
    struct cn_msg message;
    struct proc_event event;
  } __attribute__((packed)) heard;
  if (recv(socket, &heard, sizeof heard, 0) < (ssize_t)sizeof heard) return;
  uint32_t what = heard.event.what;
  if (what != PROC_EVENT_EXEC && what != PROC_EVENT_EXIT) return;
  /* exec and exit begin with the same two numbers. */
  uint32_t tid = (uint32_t)heard.event.event_data.exec.process_pid;
  uint32_t pid = (uint32_t)heard.event.event_data.exec.process_tgid;
  if (tid != pid || record_count == RECORDS) return;
  uint32_t *record = records[record_count++];
  record[0] = pid;
  record[1] = what == PROC_EVENT_EXEC ? 1 : 2;
  record[2] = has_clock ? since(heard.event.timestamp_ns) : 0;
}

int main(int count, char **arguments) {
  if (count != 4) return 64;
  struct sigaction action = {.sa_handler = end};
  sigaction(SIGTERM, &action, NULL);
  int listener = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_CONNECTOR);
  if (listener < 0) fail("socket");
  if (strcmp(arguments[1], "filter") == 0) attach_filter(listener);
  struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = CN_IDX_PROC};
  if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0) fail("bind");
  tell(listener, PROC_CN_MCAST_LISTEN);
  puts("ready");
  fflush(stdout);
  while (!is_over) hear(listener, atoi(arguments[3]));
  /* A listener that only closes its socket leaves the kernel counting it for ever. */
  tell(listener, PROC_CN_MCAST_IGNORE);
  int file = open(arguments[2], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0) fail(arguments[2]);
  size_t length = record_count * sizeof *records, done = 0;
  while (done < length) {
    ssize_t written = write(file, (char *)records + done, length - done);
    if (written < 0) fail("write");
    done += (size_t)written;
  }
  return 0;
}
