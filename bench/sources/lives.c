/*
 * The load of the `sources` benchmark: starts programs, and notes when each began and ended.
 *
 *   lives COUNT GAP FILE PROGRAM ARGUMENT...   starts COUNT programs, with a mean time of GAP microseconds between two starts
 *
 * FILE gets four 64-bit numbers for each: the pid, the times of its exec and of its reaping in nanoseconds on CLOCK_MONOTONIC,
 * and its wait status. The gaps vary between a half and one and a half of the mean.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;

static struct life {
  uint64_t pid, began, ended, status;
} *lives;
static unsigned made;

static uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static void ignore(int signal) { (void)signal; }

static unsigned reap(void) {
  unsigned reaped = 0;
  int status;
  for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0; reaped++)
    for (unsigned index = made; index-- > 0;)
      if (lives[index].pid == (uint64_t)pid && lives[index].ended == 0) {
        lives[index].ended = now();
        lives[index].status = (uint64_t)status;
        break;
      }
  return reaped;
}

int main(int argument_count, char **arguments) {
  if (argument_count < 5) return 64;
  unsigned count = (unsigned)atoi(arguments[1]), gap = (unsigned)atoi(arguments[2]), reaped = 0;
  lives = calloc(count, sizeof *lives);
  if (lives == NULL) return 1;
  sigset_t blocked, none;
  sigemptyset(&none);
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGCHLD);
  signal(SIGCHLD, ignore);
  sigprocmask(SIG_BLOCK, &blocked, NULL);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  srand(1);
  uint64_t next = now();
  for (unsigned index = 0; index < count; index++) {
    next += (uint64_t)gap * (unsigned)(500 + rand() % 1001);
    for (;;) {
      reaped += reap();
      uint64_t moment = now();
      if (moment >= next) break;
      uint64_t left = next - moment;
      struct timespec wait = {(time_t)(left / 1000000000), (long)(left % 1000000000)};
      ppoll(NULL, 0, &wait, &none);
    }
    pid_t pid;
    if (posix_spawn(&pid, arguments[4], NULL, &attributes, arguments + 4, environ) != 0) return 1;
    /* posix_spawn returns when the child has called exec. */
    lives[made].pid = (uint64_t)pid;
    lives[made++].began = now();
  }
  while (reaped < made) {
    reaped += reap();
    struct timespec wait = {1, 0};
    if (reaped < made) ppoll(NULL, 0, &wait, &none);
  }
  FILE *file = fopen(arguments[3], "we");
  if (file == NULL || fwrite(lives, sizeof *lives, made, file) != made || fclose(file) != 0) return 1;
  return 0;
}
