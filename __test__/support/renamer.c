/* A program that renames itself on request. Each line on stdin is a request, and is answered by "ok":
 *   comm NAME    renames the main thread
 *   thread NAME  renames another thread
 *   threads COUNT  renames another thread, COUNT times
 *   storm COUNT  renames the main thread COUNT times
 *   title TEXT   overwrites the arguments with TEXT and pads them with NUL
 * It exits with 3 at the end of stdin. With the arguments --at-once NAME it first renames its main thread. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static char *name;

static void *rename_thread(void *unused) {
  prctl(PR_SET_NAME, name, 0, 0, 0);
  return unused;
}

int main(int argc, char **argv) {
  char line[4096];
  char *end = argv[argc - 1] + strlen(argv[argc - 1]);
  if (argc > 2 && !strcmp(argv[1], "--at-once")) prctl(PR_SET_NAME, argv[2], 0, 0, 0);
  while (fgets(line, sizeof line, stdin)) {
    line[strcspn(line, "\n")] = 0;
    name = strchr(line, ' ') + 1;
    if (!strncmp(line, "comm ", 5)) prctl(PR_SET_NAME, name, 0, 0, 0);
    if (!strncmp(line, "storm ", 6)) {
      for (long left = atol(name); left > 0; left--) prctl(PR_SET_NAME, left % 2 ? "storm-a" : "storm-b", 0, 0, 0);
    }
    if (!strncmp(line, "thread ", 7)) {
      pthread_t thread;
      pthread_create(&thread, NULL, rename_thread, NULL);
      pthread_join(thread, NULL);
    }
    if (!strncmp(line, "threads ", 8)) {
      for (long left = atol(name); left > 0; left--) {
        pthread_t thread;
        pthread_create(&thread, NULL, rename_thread, NULL);
        pthread_join(thread, NULL);
      }
    }
    if (!strncmp(line, "title ", 6)) {
      size_t size = end - argv[0];
      memset(argv[0], 0, size);
      strncpy(argv[0], name, size - 1);
    }
    puts("ok");
    fflush(stdout);
  }
  return 3;
}
