/* Disables the perf events of another process: unperf PID. Each thread may have descriptors of its own. Prints the number of
 * disabled events. Exits with 3 if the kernel cannot give out a descriptor of a thread, before Linux 6.9. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* PIDFD_THREAD, linux/pidfd.h */
#define OF_THREAD O_EXCL

static int disable_all(int thread, const char *path) {
  int count = 0;
  char link[512], target[64];
  DIR *folder = opendir(path);
  for (struct dirent *entry; folder && (entry = readdir(folder));) {
    snprintf(link, sizeof link, "%s/%s", path, entry->d_name);
    ssize_t length = readlink(link, target, sizeof target - 1);
    if (length < 0) continue;
    target[length] = 0;
    if (strcmp(target, "anon_inode:[perf_event]") != 0) continue;
    int event = (int)syscall(SYS_pidfd_getfd, thread, atoi(entry->d_name), 0);
    if (event < 0) continue;
    if (ioctl(event, PERF_EVENT_IOC_DISABLE, 0) == 0) count++;
    close(event);
  }
  if (folder) closedir(folder);
  return count;
}

int main(int argument_count, char **arguments) {
  char path[256];
  int count = 0;
  if (argument_count != 2) return 64;
  snprintf(path, sizeof path, "/proc/%s/task", arguments[1]);
  DIR *threads = opendir(path);
  for (struct dirent *entry; threads && (entry = readdir(threads));) {
    if (entry->d_name[0] == '.') continue;
    int thread = (int)syscall(SYS_pidfd_open, atoi(entry->d_name), OF_THREAD);
    if (thread < 0 && errno == EINVAL) return 3;
    if (thread < 0) continue;
    snprintf(path, sizeof path, "/proc/%s/task/%s/fd", arguments[1], entry->d_name);
    count += disable_all(thread, path);
    close(thread);
  }
  if (threads) closedir(threads);
  printf("%d\n", count);
  return 0;
}
