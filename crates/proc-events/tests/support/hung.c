/*
 * hung FOLDER: a process whose /proc/PID/cmdline cannot be read, because nobody gives its memory lock back.
 *
 * Mounts a FUSE file system at FOLDER that never answers a second read, and starts a process of which one thread waits for
 * such a read in a page fault, with the memory lock held for reading, while another waits to take that lock for writing:
 * every later reader of the lock waits behind that one. Prints the pid of the process, and serves until standard input
 * ends. Then it kills the process and removes the mount.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FILE_NODE = 2, SIZE = 65536 };

static int device;
static int reads;

static void reply(uint64_t unique, int error, const void *body, size_t length) {
  char bytes[sizeof(struct fuse_out_header) + 256];
  struct fuse_out_header head = {.len = sizeof head + length, .error = error, .unique = unique};
  memcpy(bytes, &head, sizeof head);
  if (length > 0) memcpy(bytes + sizeof head, body, length);
  if (write(device, bytes, head.len) < 0 && errno != ENOENT) perror("hung: reply");
}

static struct fuse_attr attributes(uint64_t node) {
  struct fuse_attr attr = {.ino = node, .nlink = 1, .blksize = 4096};
  attr.mode = node == FILE_NODE ? S_IFREG | 0444 : S_IFDIR | 0555;
  attr.size = node == FILE_NODE ? SIZE : 0;
  return attr;
}

static void serve_one(void) {
  static char request[1 << 20];
  if (read(device, request, sizeof request) < (ssize_t)sizeof(struct fuse_in_header)) return;
  struct fuse_in_header *head = (void *)request;
  char *body = request + sizeof *head;
  switch (head->opcode) {
    case FUSE_INIT: {
      struct fuse_init_in *in = (void *)body;
      struct fuse_init_out out = {.major = FUSE_KERNEL_VERSION, .max_write = SIZE};
      out.minor = in->minor < FUSE_KERNEL_MINOR_VERSION ? in->minor : FUSE_KERNEL_MINOR_VERSION;
      return reply(head->unique, 0, &out, sizeof out);
    }
    case FUSE_LOOKUP: {
      struct fuse_entry_out out = {.nodeid = FILE_NODE, .entry_valid = 1000, .attr_valid = 1000};
      out.attr = attributes(FILE_NODE);
      return reply(head->unique, 0, &out, sizeof out);
    }
    case FUSE_GETATTR: {
      struct fuse_attr_out out = {.attr_valid = 1000, .attr = attributes(head->nodeid)};
      return reply(head->unique, 0, &out, sizeof out);
    }
    case FUSE_OPEN:
    case FUSE_OPENDIR: {
      struct fuse_open_out out = {0};
      return reply(head->unique, 0, &out, sizeof out);
    }
    case FUSE_READ:
      /* A fault lets go of the lock for its first read. It holds on to it when it tries again. */
      if (++reads == 1) reply(head->unique, -EIO, NULL, 0);
      return;
    case FUSE_FORGET:
    case FUSE_BATCH_FORGET:
    case FUSE_INTERRUPT:
      return;
    case FUSE_FLUSH:
    case FUSE_RELEASE:
      return reply(head->unique, 0, NULL, 0);
    default:
      return reply(head->unique, -ENOSYS, NULL, 0);
  }
}

static void *take_lock_for_writing(void *unused) {
  /* After the fault has taken it for reading. */
  sleep(1);
  void *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  munmap(page, 4096);
  return unused;
}

static int hang(const char *folder) {
  char path[4096];
  snprintf(path, sizeof path, "%s/file", folder);
  int file = open(path, O_RDONLY);
  volatile char *page = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, file, 0);
  pthread_t writer;
  if (page == MAP_FAILED || pthread_create(&writer, NULL, take_lock_for_writing, NULL) != 0) return 1;
  return page[0];
}

int main(int count, char **arguments) {
  if (count != 2) return 2;
  const char *folder = arguments[1];
  char options[128];
  device = open("/dev/fuse", O_RDWR | O_CLOEXEC);
  snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", device);
  if (device < 0 || mount("hung", folder, "fuse", 0, options) != 0) return perror("hung: mount"), 1;
  pid_t child = fork();
  if (child == 0) {
    /* With the last descriptor of the device, the kernel gives up the read: the process can be killed then. */
    close(device);
    _exit(hang(folder));
  }
  int told = 0;
  struct pollfd ready[] = {{.fd = device, .events = POLLIN}, {.fd = 0, .events = POLLIN}};
  for (;;) {
    poll(ready, 2, 100);
    if (ready[1].revents != 0) break;
    if (ready[0].revents != 0) serve_one();
    if (reads >= 2 && !told) {
      printf("%d\n", child);
      fflush(stdout);
      told = 1;
    }
  }
  kill(child, SIGKILL);
  umount2(folder, MNT_DETACH);
  close(device);
  waitpid(child, NULL, 0);
  return 0;
}
