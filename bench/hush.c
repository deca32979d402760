/*
 * hush PID: sends PROC_CN_MCAST_IGNORE on the socket of a listener that does not send it itself before it ends.
 * Otherwise every run of such a peer would leave the kernel counting one listener too many.
 */
#include "peers/connector.h"
#include <dirent.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int count, char **arguments) {
  if (count != 2) return 64;
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/fd", atoi(arguments[1]));
  int pidfd = (int)syscall(SYS_pidfd_open, atoi(arguments[1]), 0);
  DIR *folder = opendir(path);
  if (pidfd < 0 || folder == NULL) return 1;
  for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
    int copy = (int)syscall(SYS_pidfd_getfd, pidfd, atoi(entry->d_name), 0), protocol = -1, domain = -1;
    socklen_t size = sizeof protocol;
    if (copy < 0 || entry->d_name[0] == '.') continue;
    if (getsockopt(copy, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_NETLINK &&
        getsockopt(copy, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) == 0 && protocol == NETLINK_CONNECTOR &&
        say(copy, PROC_CN_MCAST_IGNORE) < 0)
      perror("sendto");
    close(copy);
  }
  return 0;
}
