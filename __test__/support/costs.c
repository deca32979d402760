// Processes whose cost is known.
//
// costs accounts FILE COUNT  runs processes with different costs; writes their accounts and those of wait4
// costs storm COUNT WORKERS  short processes; each touches 8 * (its pid % 64) pages
// costs reuse COUNT PIDS     short processes of few pids, as clone3 sets them; each touches 8 * (its exit code) pages
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/sched.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const size_t PAGE = 4096;
enum { OWN_KIB = 1024, OWN_FD = 100 };

/* What a process has cost when its threads begin to end, added up by themselves. */
struct own {
  uint64_t cpu_ns;
  uint64_t minor_faults, major_faults, read_blocks, write_blocks, voluntary, involuntary;
};

static struct own *own;

/* Touches pages that have not been used before. */
static void touch(int pages) {
  char *memory = mmap(NULL, PAGE * 512, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  madvise(memory, PAGE * 512, MADV_NOHUGEPAGE);
  for (int i = 0; i < pages; i++) memory[PAGE * i] = 1;
}

static uint64_t thread_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return time.tv_sec * 1000000000ull + time.tv_nsec;
}

static void spin(int rounds) {
  volatile unsigned sum = 0;
  for (int i = 0; i < rounds; i++) sum += i;
}

static void compute(double ms) {
  for (uint64_t end = thread_ns() + ms * 1e6; thread_ns() < end;) spin(5000);
}

/* Adds the account of this thread. Must be the last thing that it does. */
static void note(void) {
  struct rusage usage;
  getrusage(RUSAGE_THREAD, &usage);
  __atomic_add_fetch(&own->minor_faults, usage.ru_minflt, __ATOMIC_RELAXED);
  __atomic_add_fetch(&own->major_faults, usage.ru_majflt, __ATOMIC_RELAXED);
  __atomic_add_fetch(&own->read_blocks, usage.ru_inblock, __ATOMIC_RELAXED);
  __atomic_add_fetch(&own->write_blocks, usage.ru_oublock, __ATOMIC_RELAXED);
  __atomic_add_fetch(&own->voluntary, usage.ru_nvcsw, __ATOMIC_RELAXED);
  __atomic_add_fetch(&own->involuntary, usage.ru_nivcsw, __ATOMIC_RELAXED);
  __atomic_add_fetch(&own->cpu_ns, thread_ns(), __ATOMIC_RELAXED);
}

struct worker {
  double ms;
  /* It ends first. The kernel may leave out one of two threads that end at the same moment. */
  pthread_t before;
};

static void *compute_and_note(void *argument) {
  const struct worker *worker = argument;
  compute(worker->ms);
  if (worker->before) pthread_join(worker->before, NULL);
  note();
  return NULL;
}

static void use_memory(int kib) {
  size_t size = (size_t)kib << 10;
  memset(mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 1, size);
}

/* Process number n: every fifth has threads, writes, uses memory, only computes, or computes without a look at a clock. Of
   those with threads, every other one's main thread ends first. */
static void work(int n, const char *folder) {
  double ms = n % 7;
  own = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, OWN_FD, 0);
  // The kernel's own maximum begins with the memory of the parent, which is less.
  use_memory(OWN_KIB);
  if (n % 5 == 4) {
    // The kernel adds up the CPU time of a thread when one looks at it. So this one does not.
    spin(n % 7 * 400000);
    return;
  }
  compute(ms);
  switch (n % 5) {
  case 0: {
    static struct worker workers[3];
    // Each thread joins the one before. If the main thread ends first, the first one joins that. Else it joins the last one.
    pthread_t last = n % 2 == 0 ? pthread_self() : 0;
    for (int i = 0; i < 3; i++) {
      workers[i] = (struct worker){ms, last};
      pthread_create(&last, NULL, compute_and_note, &workers[i]);
    }
    if (n % 2 == 0) {
      note();
      pthread_exit(NULL);
    }
    pthread_join(last, NULL);
    break;
  }
  case 1: {
    char path[4096], block[4096] = {1};
    snprintf(path, sizeof path, "%s/%d", folder, getpid());
    int file = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0600);
    for (int i = 0; i < 16 * (n % 16 + 1); i++) if (write(file, block, sizeof block) < 0) _exit(9);
    fsync(file);
    close(file);
    unlink(path);
    break;
  }
  case 2:
    use_memory((n % 32 + 1) << 10);
    break;
  }
  note();
}

static int accounts(char *self, const char *path, int count) {
  FILE *out = fopen(path, "w");
  char folder[4096], number[16];
  snprintf(folder, sizeof folder, "%s.d", path);
  // The processes map it by this number.
  int shared = memfd_create("own", MFD_CLOEXEC);
  if (ftruncate(shared, PAGE) < 0 || dup2(shared, OWN_FD) < 0) return 1;
  own = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, shared, 0);
  for (int n = 0; n < count; n++) {
    snprintf(number, sizeof number, "%d", n);
    *own = (struct own){0};
    pid_t pid = vfork();
    if (pid == 0) {
      execl(self, self, "work", number, folder, NULL);
      _exit(127);
    }
    int status;
    struct rusage usage;
    if (wait4(pid, &status, 0, &usage) < 0 || status != 0) return 1;
    double cpu_us = usage.ru_utime.tv_sec * 1e6 + usage.ru_utime.tv_usec + usage.ru_stime.tv_sec * 1e6 + usage.ru_stime.tv_usec;
    fprintf(out, "%d %d %.0f %ld %ld %ld %ld %ld %ld %ld", pid, n, cpu_us, usage.ru_maxrss, usage.ru_minflt, usage.ru_majflt,
            usage.ru_inblock, usage.ru_oublock, usage.ru_nvcsw, usage.ru_nivcsw);
    fprintf(out, " %lu %lu %lu %lu %lu %lu %lu\n", own->cpu_ns, own->minor_faults, own->major_faults, own->read_blocks,
            own->write_blocks, own->voluntary, own->involuntary);
  }
  return fclose(out);
}

static int storm(int count, int workers) {
  for (int worker = 0; worker < workers; worker++) {
    if (fork() != 0) continue;
    for (int i = worker; i < count; i += workers) {
      pid_t pid = fork();
      if (pid < 0) _exit(1);
      if (pid == 0) {
        touch(8 * (getpid() % 64));
        _exit(64);
      }
      waitpid(pid, NULL, 0);
    }
    _exit(0);
  }
  int failed = 0;
  for (int status; wait(&status) > 0;) failed |= status;
  return failed != 0;
}

static int reuse(int count, int pids) {
  pid_t first = 0;
  for (int i = 0; i < count; i++) {
    // Far from those that the kernel gives out next.
    pid_t wanted = first == 0 ? 0 : first + i % pids;
    struct clone_args args = {.exit_signal = SIGCHLD, .set_tid = (uint64_t)(uintptr_t)&wanted, .set_tid_size = 1};
    if (first == 0) {
      FILE *file = fopen("/proc/sys/kernel/pid_max", "r");
      int limit = 0;
      if (file == NULL || fscanf(file, "%d", &limit) != 1) return 1;
      fclose(file);
      first = wanted = limit - 100 - getpid() % 1000;
    }
    pid_t pid = syscall(SYS_clone3, &args, sizeof args);
    if (pid < 0) return 2;
    if (pid == 0) {
      touch(8 * (i % 64));
      _exit(i % 64);
    }
    waitpid(pid, NULL, 0);
  }
  return 0;
}

int main(int argc, char **argv) {
  if (argc == 4 && strcmp(argv[1], "accounts") == 0) return accounts(argv[0], argv[2], atoi(argv[3]));
  if (argc == 4 && strcmp(argv[1], "storm") == 0) return storm(atoi(argv[2]), atoi(argv[3]));
  if (argc == 4 && strcmp(argv[1], "reuse") == 0) return reuse(atoi(argv[2]), atoi(argv[3]));
  if (argc == 4 && strcmp(argv[1], "work") == 0) {
    work(atoi(argv[2]), argv[3]);
    _exit(0);
  }
  return 2;
}
