/*
 * A minimal listener. It does only what the kernel requires of a listener.
 *
 *   listener plain|filter FILE CLOCK
 *
 * `filter` lets the kernel pass only execs, exits of processes and acknowledgements. This is the floor of all costs. It
 * wakes up for each event.
 * Prints "ready", and at SIGTERM writes the records to FILE (see records.ts). With CLOCK 1, they
 * include the latency.
 */
#include "connector.h"
#include <fcntl.h>
#include <signal.h>
#include <string.h>
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

static uint32_t since(uint64_t moment) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  uint64_t late = (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec - moment;
  return late > UINT32_MAX ? UINT32_MAX : (uint32_t)late;
}

static void read_events(int socket, int has_clock) {
  struct seen seen;
  if (receive(socket, 0, &seen) != 1 || record_count == RECORDS) return;
  uint32_t *record = records[record_count++];
  record[0] = seen.pid;
  record[1] = seen.kind;
  record[2] = has_clock ? since(seen.timestamp_ns) : 0;
}

int main(int count, char **arguments) {
  if (count != 4) return 64;
  struct sigaction action = {.sa_handler = end};
  sigaction(SIGTERM, &action, NULL);
  int listener = connect_to_kernel(strcmp(arguments[1], "filter") == 0);
  puts("ready");
  fflush(stdout);
  while (!is_over) read_events(listener, atoi(arguments[3]));
  /* The kernel keeps counting a listener that only closes its socket. */
  send_operation(listener, PROC_CN_MCAST_IGNORE);
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
