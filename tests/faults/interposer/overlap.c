/* Something is written while a sync runs: what does the image have then?
 *
 * Compiled twice: as a library below synced.c (MEANWHILE), whose fdatasync lets the program write before it comes back; and as that
 * program, which prints the image after each of two syncs.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void meanwhile(int fd);

#ifdef MEANWHILE
int fdatasync(int fd) {
    int result = ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(fd);
    meanwhile(fd);
    return result;
}
#else
static int syncs;

/* Over what is being synced, and beside it. */
void meanwhile(int fd) {
    if (!syncs++ && (pwrite(fd, "new", 3, 0) != 3 || pwrite(fd, "beside", 6, 6) != 6)) abort();
}

static const char *in(const char *variable, char *path) {
    snprintf(path, PATH_MAX, "%s/file", getenv(variable));
    return path;
}

int main(void) {
    char path[PATH_MAX], got[64];
    int fd = open(in("SYNCED_DIRECTORY", path), O_RDWR | O_CREAT, 0600);
    if (fd < 0 || pwrite(fd, "older ", 6, 0) != 6) return 1;
    for (int turn = 0; turn < 2; turn++) {
        if (fdatasync(fd)) return 2;
        int image = open(in("SYNCED_IMAGE", path), O_RDONLY);
        ssize_t length = read(image, got, sizeof got);
        if (length < 0) return 3;
        close(image);
        printf("[%.*s]", (int)length, got);
    }
    return 0;
}
#endif
