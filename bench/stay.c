/*
 * The smallest program that stays, so that thousands fit on any machine. Compiled with -nostdlib -static. With
 * -DLIFETIME_NS=TIME it exits after that time, in nanoseconds below a second.
 */
#if defined(__x86_64__)
static long call(long number, const void *first, long second, const void *third) {
  register long fourth __asm__("r10") = 0;
  __asm__ volatile("syscall" : "+a"(number) : "D"(first), "S"(second), "d"(third), "r"(fourth) : "rcx", "r11", "memory");
  return number;
}
enum { PPOLL = 271, EXIT_GROUP = 231 };
#elif defined(__aarch64__)
static long call(long number, const void *first, long second, const void *third) {
  register long which __asm__("x8") = number, result __asm__("x0") = (long)first, b __asm__("x1") = second,
                c __asm__("x2") = (long)third, d __asm__("x3") = 0;
  __asm__ volatile("svc 0" : "+r"(result) : "r"(which), "r"(b), "r"(c), "r"(d) : "memory");
  return result;
}
enum { PPOLL = 73, EXIT_GROUP = 94 };
#endif

void _start(void) {
#ifdef LIFETIME_NS
  static const long lifetime[2] = {0, LIFETIME_NS};
  call(PPOLL, (void *)0, 0, lifetime);
  call(EXIT_GROUP, (void *)0, 0, (void *)0);
#endif
  /* ppoll without descriptors and timeout. */
  for (;;) call(PPOLL, (void *)0, 0, (void *)0);
}
