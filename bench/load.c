/*
 * The load generator. Each mode ends by itself in any case:
 *
 *   load storm END SPAWNERS COUNT SECONDS FILE   COUNT short processes as fast as SPAWNERS spawners can
 *   load paced END RATE COUNT SECONDS FILE       COUNT short processes, RATE per second
 *   load subshells END RATE COUNT SECONDS FILE   the same, but three of four exit without an exec, as a shell's subshells do,
 *                                                and none waits for the one before
 *   load threads END RATE COUNT SECONDS FILE     COUNT threads as fast as one thread can, and RATE short processes per second
 *   load forks|comms|mixed END RATE COUNT …      like threads, but with processes that exit without an exec, with new names
 *                                                of a thread, or with all three in turns
 *   load crowd END COUNT SECONDS FILE            COUNT processes of the program END until standard input ends. If the
 *                                                kernel's limits are too low for them, root raises the limits meanwhile
 *
 * END is the program of the short processes. SECONDS limits the time. FILE gets the pid of every process, 32 bits each, at
 * the end, because writing during the load would be additional load. Standard output gets the result as JSON.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Shared memory, because the spawners are processes. Threads of one process would delay each other in vfork. */
static struct {
  /* The number of short processes, and of threads and the like. */
  atomic_uint processes, others;
  uint32_t pids[];
} *made;
static unsigned limit;
static const char *end_program;
static uint64_t deadline;

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static void sleep_until(uint64_t moment) {
  struct timespec time = {(time_t)(moment / 1000000000), (long)(moment % 1000000000)};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL) == EINTR) continue;
}

static pid_t start(void) {
  pid_t pid = vfork();
  if (pid == 0) {
    execl(end_program, end_program, (char *)NULL);
    _exit(127);
  }
  if (pid > 0) made->pids[atomic_fetch_add(&made->processes, 1)] = (uint32_t)pid;
  return pid;
}

/* Returns the pid of the child that has ended, or of any one for -1. With the option 0 it waits for that. */
static pid_t ended(pid_t child, int options) {
  int status;
  pid_t pid;
  while ((pid = waitpid(child, &status, options)) < 0)
    if (errno != EINTR) fail("waitpid");
  /* Another status means that the program did not run, which makes the measurement invalid. */
  if (pid > 0 && (!WIFEXITED(status) || WEXITSTATUS(status) == 127)) exit(2);
  return pid;
}

static void spawn(void) {
  pid_t pid = start();
  if (pid < 0) fail("vfork");
  ended(pid, 0);
}

/* Starts short processes at a rate. 0: as fast as possible. */
static void spawn_many(unsigned count, unsigned rate, atomic_int *is_over) {
  uint64_t began = now();
  for (unsigned done = 0; done < count && now() < deadline && !atomic_load(is_over); done++) {
    /* A delayed spawner catches up to keep the rate. */
    if (rate > 0) sleep_until(began + (uint64_t)done * 1000000000 / rate);
    spawn();
  }
}

static int run_end(void *has_exec) {
  if (has_exec != NULL) execl(end_program, end_program, (char *)NULL);
  _exit(has_exec == NULL ? 0 : 127);
}

/*
 * Does not wait for the exec of one process before it starts the next, so that a busy scheduler does not limit the rate. The
 * children share the memory until then, like those of vfork, but each has a stack of its own.
 */
static void spawn_subshells(unsigned count, unsigned rate) {
  enum { RUNNING_MAX = 256, STACK = 65536 };
  static char stacks[RUNNING_MAX][STACK] __attribute__((aligned(16)));
  static pid_t running[RUNNING_MAX];
  uint64_t began = now();
  unsigned used = 0;
  for (unsigned done = 0; done < count && now() < deadline; done++) {
    sleep_until(began + (uint64_t)done * 1000000000 / rate);
    for (pid_t pid; used > 0 && (pid = ended(-1, used < RUNNING_MAX ? WNOHANG : 0)) > 0; used--)
      for (unsigned slot = 0; slot < RUNNING_MAX; slot++)
        if (running[slot] == pid) running[slot] = 0;
    unsigned slot = 0;
    while (running[slot] != 0) slot++;
    pid_t pid = clone(run_end, stacks[slot] + STACK, CLONE_VM | SIGCHLD, done % 4 == 0 ? &made : NULL);
    if (pid < 0) fail("clone");
    running[slot] = pid;
    used++;
    made->pids[atomic_fetch_add(&made->processes, 1)] = (uint32_t)pid;
  }
  for (; used > 0; used--) ended(-1, 0);
}

static void *nothing(void *unused) { return unused; }

static void start_thread(void) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 16384 * 2);
  pthread_t thread;
  if (pthread_create(&thread, &attributes, nothing, NULL) != 0) fail("pthread_create");
  pthread_join(thread, NULL);
}

static void fork_only(void) {
  pid_t pid = vfork();
  if (pid == 0) _exit(0);
  int status;
  if (pid < 0 || waitpid(pid, &status, 0) < 0) fail("vfork");
}

static void rename_thread(void) { prctl(PR_SET_NAME, "pe-load"); }

/* Returns the additional work of a mode, or NULL without one. */
static void (*const *others_of(const char *mode))(void) {
  static void (*const threads[])(void) = {start_thread, start_thread, start_thread};
  static void (*const forks[])(void) = {fork_only, fork_only, fork_only};
  static void (*const comms[])(void) = {rename_thread, rename_thread, rename_thread};
  static void (*const mixed[])(void) = {start_thread, fork_only, rename_thread};
  if (strcmp(mode, "threads") == 0) return threads;
  if (strcmp(mode, "forks") == 0) return forks;
  if (strcmp(mode, "comms") == 0) return comms;
  return strcmp(mode, "mixed") == 0 ? mixed : NULL;
}

static pid_t fork_or_fail(void) {
  pid_t pid = fork();
  if (pid < 0) fail("fork");
  return pid;
}

static void wait_for(pid_t pid) {
  int status;
  if (waitpid(pid, &status, 0) < 0 || status != 0) exit(2);
}

static void storm(unsigned spawners, unsigned count, atomic_int *is_over) {
  pid_t others[64];
  for (unsigned spawner = 1; spawner < spawners; spawner++)
    if ((others[spawner] = fork_or_fail()) == 0) {
      spawn_many(count / spawners, 0, is_over);
      _exit(0);
    }
  spawn_many(count / spawners, 0, is_over);
  for (unsigned spawner = 1; spawner < spawners; spawner++) wait_for(others[spawner]);
}

static void beside(void (*const *others)(void), unsigned rate, unsigned count, atomic_int *is_over) {
  pid_t spawner = fork_or_fail();
  if (spawner == 0) {
    spawn_many(limit, rate, is_over);
    _exit(0);
  }
  for (unsigned done = 0; done < count && now() < deadline; done++) {
    others[done % 3]();
    atomic_fetch_add(&made->others, 1);
  }
  atomic_store(is_over, 1);
  wait_for(spawner);
}

/* The kernel's limits of the number of processes, and their values before the crowd. 0: this program has not raised it. */
static struct limit {
  const char *path;
  unsigned before, raised;
} limits[] = {{.path = "/proc/sys/kernel/pid_max"}, {.path = "/proc/sys/kernel/threads-max"}};
enum { LIMITS = sizeof limits / sizeof *limits };

/* Returns 0 if the file cannot be read. */
static unsigned read_number(const char *path) {
  unsigned number = 0;
  FILE *file = fopen(path, "re");
  if (file == NULL) return 0;
  if (fscanf(file, "%u", &number) != 1) number = 0;
  fclose(file);
  return number;
}

static int write_number(const char *path, unsigned number) {
  FILE *file = fopen(path, "we");
  if (file == NULL) return -1;
  fprintf(file, "%u\n", number);
  return fclose(file);
}

static void raise_limits(unsigned count) {
  for (struct limit *limit = limits; limit < limits + LIMITS; limit++) {
    /* The other processes of the machine need room, too. */
    unsigned before = read_number(limit->path), wanted = count + 20000;
    if (before != 0 && before < wanted && write_number(limit->path, wanted) == 0) {
      limit->before = before;
      limit->raised = wanted;
    }
  }
}

/* Leaves a limit alone that another program has changed meanwhile. */
static void restore_limits(void) {
  for (struct limit *limit = limits; limit < limits + LIMITS; limit++)
    if (limit->before != 0 && read_number(limit->path) == limit->raised) write_number(limit->path, limit->before);
}

static pid_t start_member(pid_t parent) {
  pid_t pid = vfork();
  if (pid == 0) {
    /* The kernel kills the crowd even if this program is killed. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent) execl(end_program, end_program, (char *)NULL);
    _exit(127);
  }
  if (pid > 0) made->pids[atomic_fetch_add(&made->processes, 1)] = (uint32_t)pid;
  return pid;
}

/* Returns true if a process sleeps, or has ended. */
static int is_asleep(uint32_t pid) {
  char path[32], state = 'Z';
  snprintf(path, sizeof path, "/proc/%u/stat", pid);
  FILE *file = fopen(path, "re");
  if (file == NULL) return 1;
  if (fscanf(file, "%*u (%*[^)]) %c", &state) != 1) state = 'Z';
  fclose(file);
  return state == 'S' || state == 'Z';
}

/* Makes as many as possible, and waits until all of them are idle. Standard error says why they are fewer than `count`. */
static void crowd(unsigned count) {
  /* An interrupt ends the benchmark, and that ends standard input. */
  static const int ignored[] = {SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGTERM};
  for (unsigned index = 0; index < sizeof ignored / sizeof *ignored; index++) signal(ignored[index], SIG_IGN);
  atexit(restore_limits);
  raise_limits(count);
  pid_t parent = getpid();
  unsigned done = 0;
  while (done < count && now() < deadline && start_member(parent) > 0) done++;
  for (unsigned index = 0; index < done; index++)
    while (!is_asleep(made->pids[index]) && now() < deadline) sleep_until(now() + 1000000);
  if (done < count) fprintf(stderr, "%u of %u processes: %s\n", done, count, now() < deadline ? strerror(errno) : "late");
}

/* Waits for the end of standard input or of the time. */
static void wait_for_end(void) {
  struct pollfd input = {.fd = 0, .events = POLLIN};
  for (uint64_t moment; (moment = now()) < deadline;) {
    char byte;
    if (poll(&input, 1, (int)((deadline - moment) / 1000000) + 1) > 0 && read(0, &byte, 1) <= 0) return;
  }
}

static void write_all(int file, const void *bytes, size_t length) {
  for (size_t done = 0; done < length;) {
    ssize_t written = write(file, (const char *)bytes + done, length - done);
    if (written < 0) fail("write");
    done += (size_t)written;
  }
}

int main(int argument_count, char **arguments) {
  int is_crowd = argument_count == 6 && strcmp(arguments[1], "crowd") == 0;
  if (argument_count != 7 && !is_crowd) return 64;
  const char *mode = arguments[1];
  end_program = arguments[2];
  unsigned how = is_crowd ? 0 : (unsigned)atoi(arguments[3]);
  char **rest = arguments + (is_crowd ? 3 : 4);
  unsigned count = (unsigned)atoi(rest[0]);
  unsigned seconds = (unsigned)atoi(rest[1]);
  if (seconds < 1 || seconds > 600 || how > 100000 || count > 10000000) return 64;
  void (*const *others)(void) = others_of(mode);
  limit = others != NULL ? (how + 1) * (seconds + 1) : count + 64;

  size_t size = sizeof *made + limit * sizeof(uint32_t) + sizeof(atomic_int);
  made = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (made == MAP_FAILED) fail("mmap");
  atomic_int *is_over = (atomic_int *)&made->pids[limit];
  uint64_t began = now();
  deadline = began + (uint64_t)seconds * 1000000000;

  if (strcmp(mode, "storm") == 0 && how >= 1 && how <= 64) storm(how, count, is_over);
  else if (strcmp(mode, "paced") == 0 && how >= 1) spawn_many(count, how, is_over);
  else if (strcmp(mode, "subshells") == 0 && how >= 1) spawn_subshells(count, how);
  else if (others != NULL) beside(others, how, count, is_over);
  else if (is_crowd) crowd(count);
  else return 64;

  double took = (double)(now() - began) / 1e9;
  int file = open(rest[2], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0) fail(rest[2]);
  write_all(file, made->pids, made->processes * sizeof(uint32_t));
  printf("{\"processes\":%u,\"others\":%u,\"seconds\":%.6f}\n", made->processes, made->others, took);
  fflush(stdout);
  if (is_crowd) {
    wait_for_end();
    /* One by one, because thousands that exit at once would keep the CPUs from all others. */
    for (unsigned index = 0; index < made->processes; index++) {
      kill((pid_t)made->pids[index], SIGKILL);
      waitpid((pid_t)made->pids[index], NULL, 0);
    }
  }
  return 0;
}
