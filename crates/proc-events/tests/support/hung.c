/*
 * hung FOLDER [links]: a process that a file system holds up which does not answer.
 *
 * Mounts a FUSE file system at FOLDER, and starts a process:
 * - by default, one whose /proc/PID/cmdline cannot be read, because its memory lock is never given back. One of its threads
 *   waits in a page fault for a read that is never answered, with that lock held for reading. Another thread waits to take
 *   the lock for writing, and every later reader of the lock waits behind that one.
 * - with `links`, one whose program and working folder lie in the file system, which answers nothing once it runs.
 * The process is another run of this program, so that the kernel reports an exec of it. The first run prints the pid of the
 * process when it is ready, and serves until standard input ends. Then it kills the process and removes the mount.
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
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FILE_NODE = 2, PROGRAM_NODE = 3, SIZE = 65536, READ_MAX = 1 << 17 };
/* The descriptor by which a process with links tells that it runs. */
enum { READY = 3 };

static int device;
static int program;
static int reads;

static void reply(uint64_t unique, int error, const void *body, size_t length) {
  struct fuse_out_header head = {.len = sizeof head + length, .error = error, .unique = unique};
  struct iovec parts[] = {{&head, sizeof head}, {(void *)body, length}};
  if (writev(device, parts, 2) < 0 && errno != ENOENT) perror("hung: reply");
}

static struct fuse_attr attributes(uint64_t node) {
  struct fuse_attr attr = {.ino = node, .nlink = 1, .blksize = 4096, .mode = S_IFDIR | 0555};
  struct stat stat;
  if (node == FILE_NODE) attr.mode = S_IFREG | 0444, attr.size = SIZE;
  if (node == PROGRAM_NODE && fstat(program, &stat) == 0) attr.mode = S_IFREG | 0555, attr.size = stat.st_size;
  return attr;
}

static void reply_to_read(uint64_t unique, uint64_t node, const struct fuse_read_in *in) {
  static char content[READ_MAX];
  if (node == PROGRAM_NODE) {
    ssize_t length = pread(program, content, in->size < READ_MAX ? in->size : READ_MAX, in->offset);
    return length < 0 ? reply(unique, -EIO, NULL, 0) : reply(unique, 0, content, length);
  }
  /* A fault lets go of the lock for its first read. It holds on to it when it tries again. */
  if (++reads == 1) reply(unique, -EIO, NULL, 0);
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
      /* Nothing is kept of the program, so that the kernel asks again for every path that leads to it. */
      int is_program = strcmp(body, "program") == 0;
      struct fuse_entry_out out = {.nodeid = is_program ? PROGRAM_NODE : FILE_NODE};
      out.entry_valid = out.attr_valid = is_program ? 0 : 1000;
      out.attr = attributes(out.nodeid);
      return reply(head->unique, 0, &out, sizeof out);
    }
    case FUSE_GETATTR: {
      struct fuse_attr_out out = {.attr_valid = head->nodeid == FILE_NODE ? 1000 : 0};
      out.attr = attributes(head->nodeid);
      return reply(head->unique, 0, &out, sizeof out);
    }
    case FUSE_OPEN:
    case FUSE_OPENDIR: {
      struct fuse_open_out out = {0};
      return reply(head->unique, 0, &out, sizeof out);
    }
    case FUSE_READ:
      return reply_to_read(head->unique, head->nodeid, (void *)body);
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

static int stay_inside(const char *folder) {
  if (chdir(folder) != 0 || write(READY, "", 1) != 1) return 1;
  for (;;) pause();
}

int main(int count, char **arguments) {
  if (count == 3 && strcmp(arguments[1], "--hang") == 0) return hang(arguments[2]);
  if (count == 3 && strcmp(arguments[1], "--stay-inside") == 0) return stay_inside(arguments[2]);
  int has_links = count == 3 && strcmp(arguments[2], "links") == 0;
  if (count != 2 && !has_links) return 2;
  const char *folder = arguments[1];
  char options[128], path[4096];
  int ready_pipe[2];
  /* Ctrl-C ends whatever started this, and with that standard input. The mount has to be removed then. */
  signal(SIGINT, SIG_IGN);
  device = open("/dev/fuse", O_RDWR | O_CLOEXEC);
  program = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", device);
  snprintf(path, sizeof path, "%s/program", folder);
  if (pipe2(ready_pipe, O_CLOEXEC) != 0) return perror("hung: pipe"), 1;
  if (device < 0 || mount("hung", folder, "fuse", 0, options) != 0) return perror("hung: mount"), 1;
  pid_t child = fork();
  if (child == 0) {
    /* The exec closes the device. With its last descriptor the kernel gives up the read: the process can be killed then. */
    if (has_links && dup2(ready_pipe[1], READY) == READY) execl(path, "hung", "--stay-inside", folder, NULL);
    if (!has_links) execl(arguments[0], "hung", "--hang", folder, NULL);
    _exit(1);
  }
  close(ready_pipe[1]);
  int told = 0, is_silent = 0;
  struct pollfd ready[] = {
    {.fd = device, .events = POLLIN}, {.fd = 0, .events = POLLIN}, {.fd = ready_pipe[0], .events = POLLIN}};
  for (;;) {
    poll(ready, 3, 100);
    if (ready[1].revents != 0) break;
    if (ready[0].revents != 0) serve_one();
    if (ready[2].revents != 0) {
      char byte;
      is_silent = read(ready_pipe[0], &byte, 1) == 1;
      ready[2].fd = -1;
      /* A process that waits for a request can be killed only while the request has not been read. */
      if (is_silent) ready[0].fd = -1;
    }
    if ((reads >= 2 || is_silent) && !told) {
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
