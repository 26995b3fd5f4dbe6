/* What a power cut leaves of a directory: only what was synced.
 *
 * Preloaded (LD_PRELOAD) into a server. For every file below SYNCED_DIRECTORY the ranges that were written are remembered, and
 * when fsync or fdatasync has come back they are copied to the same place below SYNCED_IMAGE, before the caller hears of it. A
 * truncation is copied with them. A rename or removal is copied at once. Whoever kills the process and puts the image in the
 * directory's place has what a disk without a cache of its own would have. Memory maps, and truncation by
 * open, are not seen.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))real(&cache_##name, #name))
#define CACHE(name) static void *cache_##name
CACHE(write); CACHE(writev); CACHE(pwrite64); CACHE(ftruncate64);
CACHE(fsync); CACHE(fdatasync); CACHE(rename); CACHE(unlink);

struct range { off64_t from, to; };
struct file {
    struct file *next;
    char *path;          /* below the directory */
    struct range *ranges;
    size_t count, room;
    int cut;             /* it was truncated */
    off64_t size;        /* to this size, at the least since the last sync */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct file *files;

static void *real(void **cache, const char *name) {
    if (!*cache) *cache = dlsym(RTLD_NEXT, name);
    return *cache;
}

static void die(const char *what) {
    perror(what);
    abort(); /* a half image proves nothing */
}

/* The path below the directory, or NULL. */
static const char *below(const char *path) {
    const char *directory = getenv("SYNCED_DIRECTORY");
    size_t length = directory ? strlen(directory) : 0;
    return length && !strncmp(path, directory, length) && path[length] == '/' ? path + length + 1 : NULL;
}

static const char *in_image(const char *path, char *out) {
    snprintf(out, PATH_MAX, "%s/%s", getenv("SYNCED_IMAGE"), path);
    return out;
}

/* The file behind a descriptor. With the lock held. */
static struct file *file_of(int fd) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return NULL;
    path[length] = 0;
    const char *own = below(path);
    if (!own || strstr(own, " (deleted)")) return NULL;
    struct file *file = files;
    while (file && strcmp(file->path, own)) file = file->next;
    if (!file) {
        if (!(file = calloc(1, sizeof *file)) || !(file->path = strdup(own))) die("synced: memory");
        file->next = files;
        files = file;
    }
    return file;
}

static void dirty(int fd, off64_t from, ssize_t length) {
    if (length <= 0) return;
    pthread_mutex_lock(&lock);
    struct file *file = file_of(fd);
    struct range *last = file && file->count ? &file->ranges[file->count - 1] : NULL;
    if (last && last->to == from) {
        last->to += length;
    } else if (file) {
        if (file->count == file->room) {
            file->room = file->room ? file->room * 2 : 64;
            if (!(file->ranges = realloc(file->ranges, file->room * sizeof *file->ranges))) die("synced: memory");
        }
        file->ranges[file->count++] = (struct range){from, from + length};
    }
    pthread_mutex_unlock(&lock);
}

static void copy(int from, int to, struct range range) {
    char buffer[65536];
    while (range.from < range.to) {
        size_t want = range.to - range.from < (off64_t)sizeof buffer ? (size_t)(range.to - range.from) : sizeof buffer;
        ssize_t got = pread64(from, buffer, want, range.from);
        if (got < 0) die("synced: read");
        if (got == 0) return; /* truncated since */
        if (REAL(pwrite64)(to, buffer, got, range.from) != got) die("synced: write");
        range.from += got;
    }
}

/* The sync has come back: what was written before it is on the disk. */
static void synced(int fd) {
    char path[PATH_MAX], own[64];
    struct stat64 now;
    if (fstat64(fd, &now) || !S_ISREG(now.st_mode)) return;
    pthread_mutex_lock(&lock);
    struct file *file = file_of(fd);
    if (file) {
        snprintf(own, sizeof own, "/proc/self/fd/%d", fd); /* fd may be write-only */
        int from = open64(own, O_RDONLY | O_CLOEXEC);
        int to = open64(in_image(file->path, path), O_WRONLY | O_CREAT | O_CLOEXEC, now.st_mode & 0777);
        if (from < 0 || to < 0) die(path);
        if (file->cut && REAL(ftruncate64)(to, file->size)) die("synced: truncate");
        for (size_t at = 0; at < file->count; at++) copy(from, to, file->ranges[at]);
        file->count = file->cut = 0;
        close(from);
        close(to);
    }
    pthread_mutex_unlock(&lock);
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t at) {
    ssize_t written = REAL(pwrite64)(fd, bytes, length, at);
    dirty(fd, at, written);
    return written;
}
static ssize_t at_the_end(int fd, ssize_t written) {
    /* A write that failed keeps its errno. */
    if (written > 0) dirty(fd, lseek64(fd, 0, SEEK_CUR) - written, written);
    return written;
}
ssize_t write(int fd, const void *bytes, size_t length) {
    return at_the_end(fd, REAL(write)(fd, bytes, length));
}
ssize_t writev(int fd, const struct iovec *parts, int count) {
    return at_the_end(fd, REAL(writev)(fd, parts, count));
}
int ftruncate64(int fd, off64_t size) {
    int result = REAL(ftruncate64)(fd, size);
    pthread_mutex_lock(&lock);
    struct file *file = result ? NULL : file_of(fd);
    if (file) {
        file->size = file->cut && file->size < size ? file->size : size;
        file->cut = 1;
    }
    pthread_mutex_unlock(&lock);
    return result;
}
int fsync(int fd) {
    int result = REAL(fsync)(fd);
    if (!result) synced(fd);
    return result;
}
int fdatasync(int fd) {
    int result = REAL(fdatasync)(fd);
    if (!result) synced(fd);
    return result;
}
int rename(const char *from, const char *to) {
    char a[PATH_MAX], b[PATH_MAX];
    int result = REAL(rename)(from, to);
    if (!result && below(to)) {
        /* What was not synced under its old name is not there under the new one. */
        REAL(unlink)(in_image(below(to), b));
        if (below(from)) REAL(rename)(in_image(below(from), a), b);
    }
    return result;
}
int unlink(const char *path) {
    char image[PATH_MAX];
    int result = REAL(unlink)(path);
    if (!result && below(path)) REAL(unlink)(in_image(below(path), image));
    return result;
}
