/*
 * The processes that the tests start, in one program:
 *
 *   load stay SECONDS                         sleeps for SECONDS
 *   load storm END COUNT WORKERS STAYS FILE   COUNT short processes of the program END, WORKERS at a time, and among them
 *                                             STAYS processes that stay. FILE gets the pid of each short process, and the
 *                                             times before its start and after its exit, in nanoseconds of CLOCK_MONOTONIC.
 *                                             FILE.stays gets the same for the others. Each number has 64 bits
 *   load leave MILLISECONDS CODE              the main thread exits at once, the other one ends the process later
 *   load leave MILLISECONDS                   the main thread exits at once, the other thread later
 *   load bomb PROGRAM COUNT NICE FILE         COUNT processes of PROGRAM, one after the other, with 1 MB of arguments that are
 *                                             not UTF-8, as the user nobody. FILE is like that of a storm. Ends with its parent
 *   load refuse ERRNO PROGRAM ARGUMENT...     PROGRAM in a sandbox that refuses the process connector's socket with ERRNO
 *
 *   load refuse-perf PROGRAM ARGUMENT...      PROGRAM in a sandbox that refuses perf events, as that of Docker does
 *   load ask reaped-code                      succeeds if a pidfd shows the exit code of a process that is reaped
 *   load ask comm-write                       succeeds if the kernel reports that /proc/PID/comm was written
 *
 * Compiled with -DEND=CODE -nostdlib it is the program END instead, which only exits with CODE. It has no C library,
 * because the start of one would take longer than everything else.
 */
#ifdef END
void _start(void) {
#if defined(__x86_64__)
  __asm__ volatile("syscall" : : "a"(231), "D"(END));
#elif defined(__aarch64__)
  register long number __asm__("x8") = 94, code __asm__("x0") = END;
  __asm__ volatile("svc 0" : : "r"(number), "r"(code));
#endif
  __builtin_unreachable();
}
#else
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char self[4096];

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static pid_t start(const char *program, const char *mode, const char *argument) {
  pid_t pid = vfork();
  if (pid == 0) {
    execl(program, program, mode, argument, (char *)NULL);
    _exit(127);
  }
  if (pid < 0) fail("vfork");
  return pid;
}

static uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static void note(int file, pid_t pid, uint64_t began) {
  uint64_t life[] = {(uint64_t)pid, began, now()};
  if (write(file, life, sizeof life) != sizeof life) fail("write");
}

static void work(const char *end, int count, int stays, int file, int stays_file) {
  for (int done = 0; done < count; done++) {
    if (stays > 0 && done % (count / stays) == count / stays / 2) note(stays_file, start(self, "stay", "600"), now());
    uint64_t began = now();
    pid_t pid = start(end, NULL, NULL);
    int status;
    while (waitpid(pid, &status, 0) < 0)
      if (errno != EINTR) fail("waitpid");
    if (!WIFEXITED(status)) exit(2);
    note(file, pid, began);
  }
}

static int create(const char *path, const char *suffix) {
  char name[4096];
  snprintf(name, sizeof name, "%s%s", path, suffix);
  int file = open(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (file < 0) fail(name);
  return file;
}

static int storm(char **arguments) {
  int count = atoi(arguments[1]), workers = atoi(arguments[2]), stays = atoi(arguments[3]);
  int file = create(arguments[4], ""), stays_file = create(arguments[4], ".stays");
  for (int worker = 1; worker < workers; worker++) {
    pid_t pid = fork();
    if (pid < 0) fail("fork");
    if (pid == 0) {
      work(arguments[0], count / workers, 0, file, stays_file);
      return 0;
    }
  }
  work(arguments[0], count / workers, stays, file, stays_file);
  for (int worker = 1; worker < workers; worker++) {
    int status;
    /* Do not wait for the processes that stay. */
    if (wait(&status) < 0 || status != 0) return 2;
  }
  return 0;
}

/* The longest argument that Linux takes, and the number of arguments. */
enum { ARGUMENT_SIZE = 131072, ARGUMENTS = 8, NOBODY = 65534 };

static int bomb(char **arguments) {
  const char *program = arguments[0];
  int file = create(arguments[3], "");
  pid_t parent = getppid();
  if (nice(atoi(arguments[2])) < 0 || setgroups(0, NULL) < 0 || setgid(NOBODY) < 0 || setuid(NOBODY) < 0) fail("nobody");
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) return 1;
  static char first[ARGUMENT_SIZE], other[ARGUMENT_SIZE];
  memset(first, 0xff, sizeof first - 1);
  memset(other, 0xff, sizeof other - 1);
  /* The first argument begins with the program's name, because the package completes a cut name from it. */
  const char *name = strrchr(program, '/') + 1;
  memcpy(first, name, strlen(name));
  char *passed[ARGUMENTS + 1] = {first};
  for (int at = 1; at < ARGUMENTS; at++) passed[at] = other;
  for (int done = 0; done < atoi(arguments[1]); done++) {
    uint64_t began = now();
    pid_t pid = vfork();
    if (pid == 0) {
      execv(program, passed);
      _exit(127);
    }
    int status;
    if (pid < 0 || waitpid(pid, &status, 0) < 0) fail("vfork");
    if (status != 0) return 2;
    note(file, pid, began);
  }
  return 0;
}

static const char *last_code;
static int last_delay;

static void *last_thread(void *unused) {
  usleep(last_delay * 1000);
  if (last_code != NULL) _exit(atoi(last_code));
  return unused;
}

static int leave(char **arguments) {
  last_delay = atoi(arguments[0]);
  last_code = arguments[1];
  pthread_t thread;
  if (pthread_create(&thread, NULL, last_thread, NULL) != 0) fail("pthread_create");
  pthread_exit(NULL);
}

/* Runs a program in a sandbox. */
static int within(struct sock_filter *program, unsigned short length, char **arguments) {
  struct sock_fprog filter = {.len = length, .filter = program};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) fail("PR_SET_NO_NEW_PRIVS");
  if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) < 0) fail("PR_SET_SECCOMP");
  execvp(arguments[0], arguments);
  fail(arguments[0]);
  return 1;
}

static int refuse(char **arguments) {
#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define ELSE_ALLOW(value, left) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, left)
  struct sock_filter program[] = {
      LOAD(nr),      ELSE_ALLOW(SYS_socket, 5),
      LOAD(args[0]), ELSE_ALLOW(AF_NETLINK, 3),
      LOAD(args[2]), ELSE_ALLOW(NETLINK_CONNECTOR, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)atoi(arguments[0])),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  return within(program, sizeof program / sizeof *program, arguments + 1);
}

static int refuse_perf(char **arguments) {
  struct sock_filter program[] = {
      LOAD(nr),
      ELSE_ALLOW(SYS_perf_event_open, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  return within(program, sizeof program / sizeof *program, arguments);
}

/* The first version of `struct pidfd_info`, which the headers of the C library may lack. */
struct info {
  uint64_t mask, cgroup;
  uint32_t ids[11];
  int32_t exit_code;
};

static int shows_reaped_code(void) {
  const uint64_t info_exit = 1 << 3;
  pid_t pid = fork();
  if (pid < 0) fail("fork");
  if (pid == 0) _exit(7);
  int pidfd = (int)syscall(SYS_pidfd_open, pid, 0), status;
  if (waitpid(pid, &status, 0) != pid) fail("waitpid");
  struct info info = {.mask = info_exit};
  int failed = pidfd < 0 || ioctl(pidfd, _IOWR(0xFF, 11, struct info), &info) < 0;
  return !failed && info.mask & info_exit && info.exit_code == status;
}

static void ask_kernel(int file, enum proc_cn_mcast_op operation) {
  struct {
    struct nlmsghdr header;
    struct cn_msg message;
    enum proc_cn_mcast_op operation;
  } __attribute__((packed)) request = {
      .header = {.nlmsg_len = sizeof request, .nlmsg_type = NLMSG_DONE},
      .message = {.id = {CN_IDX_PROC, CN_VAL_PROC}, .len = sizeof operation},
      .operation = operation,
  };
  if (send(file, &request, sizeof request, 0) < 0) fail("send");
}

static int reports_comm_write(void) {
  int file = socket(AF_NETLINK, SOCK_DGRAM | SOCK_NONBLOCK, NETLINK_CONNECTOR);
  struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = CN_IDX_PROC};
  if (file < 0 || bind(file, (struct sockaddr *)&address, sizeof address) < 0) fail("connector");
  ask_kernel(file, PROC_CN_MCAST_LISTEN);
  int comm = open("/proc/self/comm", O_WRONLY), reported = 0;
  if (comm < 0 || write(comm, "pe-asked", 8) != 8) fail("comm");
  /* The kernel queues the event before the write returns. A loss would be a failure. */
  char bytes[NLMSG_HDRLEN + sizeof(struct cn_msg) + sizeof(struct proc_event)];
  ssize_t length;
  while ((length = recv(file, bytes, sizeof bytes, 0)) >= 0) {
    struct proc_event event = {0};
    size_t offset = NLMSG_HDRLEN + sizeof(struct cn_msg);
    if ((size_t)length > offset) memcpy(&event, bytes + offset, (size_t)length - offset);
    reported |= (unsigned)event.what == PROC_EVENT_COMM && event.event_data.comm.process_pid == getpid();
  }
  if (errno != EAGAIN) fail("recv");
  ask_kernel(file, PROC_CN_MCAST_IGNORE);
  return reported;
}

/* Succeeds with 0 if the kernel has a feature, and with 3 if it has not. */
static int ask(const char *feature) {
  if (strcmp(feature, "reaped-code") == 0) return shows_reaped_code() ? 0 : 3;
  if (strcmp(feature, "comm-write") == 0) return reports_comm_write() ? 0 : 3;
  return 64;
}

int main(int count, char **arguments) {
  if (count < 3) return 64;
  char *mode = arguments[1];
  if (strcmp(mode, "stay") == 0) return (int)sleep(atoi(arguments[2]));
  if (readlink("/proc/self/exe", self, sizeof self - 1) < 0) fail("readlink");
  if (strcmp(mode, "storm") == 0 && count == 7) return storm(arguments + 2);
  if (strcmp(mode, "bomb") == 0 && count == 6) return bomb(arguments + 2);
  if (strcmp(mode, "leave") == 0) return leave(arguments + 2);
  if (strcmp(mode, "refuse") == 0 && count > 3) return refuse(arguments + 2);
  if (strcmp(mode, "refuse-perf") == 0) return refuse_perf(arguments + 2);
  if (strcmp(mode, "ask") == 0) return ask(arguments[2]);
  return 64;
}
#endif
