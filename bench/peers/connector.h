/* The protocol of the process connector, for the listeners in C. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>

static void fail(const char *what) {
  perror(what);
  exit(1);
}

/* Sends LISTEN or IGNORE. Returns -1 with errno on failure. */
static ssize_t say(int socket, uint32_t operation) {
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
  return sendto(socket, &request, sizeof request, 0, (struct sockaddr *)&kernel, sizeof kernel);
}

static void send_operation(int socket, uint32_t operation) {
  if (say(socket, operation) < 0) fail("sendto");
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

/* Opens a socket for all messages, or only for execs, exits of processes and acknowledgements. */
static int connect_to_kernel(int is_filtered) {
  int listener = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_CONNECTOR);
  if (listener < 0) fail("socket");
  if (is_filtered) attach_filter(listener);
  struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = CN_IDX_PROC};
  if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0) fail("bind");
  send_operation(listener, PROC_CN_MCAST_LISTEN);
  return listener;
}

/* One event: the pid, the kind (1 for an exec, 2 for an exit), and the time. */
struct seen {
  uint32_t pid, kind;
  uint64_t timestamp_ns;
};

/* Returns 1 for an exec or exit of a process, 0 for another message, and -1 with errno on failure. */
static int receive(int socket, int flags, struct seen *seen) {
  struct {
    struct nlmsghdr header;
    struct cn_msg message;
    struct proc_event event;
  } __attribute__((packed)) message;
  ssize_t length = recv(socket, &message, sizeof message, flags);
  if (length < (ssize_t)sizeof message) return length < 0 ? -1 : 0;
  uint32_t what = message.event.what;
  if (what != PROC_EVENT_EXEC && what != PROC_EVENT_EXIT) return 0;
  /* exec and exit both begin with the pid and the tgid. */
  uint32_t tid = (uint32_t)message.event.event_data.exec.process_pid;
  seen->pid = (uint32_t)message.event.event_data.exec.process_tgid;
  seen->kind = what == PROC_EVENT_EXEC ? 1 : 2;
  seen->timestamp_ns = message.event.timestamp_ns;
  return tid == seen->pid;
}
