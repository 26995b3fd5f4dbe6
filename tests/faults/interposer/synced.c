/* What a power cut leaves of a directory: only what was synced.
 *
 * Preloaded (LD_PRELOAD) into a server. For every file below SYNCED_DIRECTORY the ranges that were written are remembered. fsync and
 * fdatasync take them with their content before the real call, and write that content to the same place below SYNCED_IMAGE after it,
 * before the caller hears of it: what another thread writes meanwhile waits for the next sync. A truncation goes with them. Syncs
 * follow each other, each to its end. A rename or removal is in the image at once. Whoever kills the process and puts the image in
 * the directory's place has what a disk without a cache of its own would have. Memory maps, truncation by open, and copies inside
 * the kernel are not seen: what they write is not in the image.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
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
/* What one range held when a sync began. */
struct piece { off64_t at; size_t length; char *bytes; };
/* What a sync makes durable. */
struct taken {
    char path[PATH_MAX]; /* in the image */
    mode_t mode;
    int cut;
    off64_t size;
    struct piece *pieces;
    size_t count;
};
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
/* Held over a whole sync, and over what changes a name in the image; taken before the other. */
static pthread_mutex_t syncing = PTHREAD_MUTEX_INITIALIZER;

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

static struct piece read_piece(int fd, struct range range) {
    size_t want = range.to - range.from;
    struct piece piece = {range.from, 0, malloc(want)};
    if (!piece.bytes) die("synced: memory");
    while (piece.length < want) {
        ssize_t got = pread64(fd, piece.bytes + piece.length, want - piece.length, piece.at + piece.length);
        if (got < 0) die("synced: read");
        if (got == 0) break; /* truncated since */
        piece.length += got;
    }
    return piece;
}

/* Takes what is to be synced, as it is now. False where the file is not below the directory. */
static int take(int fd, struct taken *taken) {
    char own[64];
    struct stat64 now;
    if (fstat64(fd, &now) || !S_ISREG(now.st_mode)) return 0;
    pthread_mutex_lock(&lock);
    struct file *file = file_of(fd);
    if (file) {
        snprintf(own, sizeof own, "/proc/self/fd/%d", fd); /* fd may be write-only */
        int from = open64(own, O_RDONLY | O_CLOEXEC);
        in_image(file->path, taken->path);
        if (from < 0) die(taken->path);
        taken->mode = now.st_mode & 0777;
        taken->cut = file->cut;
        taken->size = file->size;
        taken->count = file->count;
        if (!(taken->pieces = calloc(file->count + 1, sizeof *taken->pieces))) die("synced: memory");
        for (size_t at = 0; at < file->count; at++) taken->pieces[at] = read_piece(from, file->ranges[at]);
        file->count = file->cut = 0;
        close(from);
    }
    pthread_mutex_unlock(&lock);
    return file != NULL;
}

/* Into the image; `durable` is false where the real sync failed: nothing is promised of what it took, now or later. */
static void put(struct taken *taken, int durable) {
    int to = durable ? open64(taken->path, O_WRONLY | O_CREAT | O_CLOEXEC, taken->mode) : -1;
    if (durable && to < 0) die(taken->path);
    if (durable && taken->cut && REAL(ftruncate64)(to, taken->size)) die("synced: truncate");
    for (size_t at = 0; at < taken->count; at++) {
        struct piece *piece = &taken->pieces[at];
        for (size_t done = 0; durable && done < piece->length;) {
            ssize_t wrote = REAL(pwrite64)(to, piece->bytes + done, piece->length - done, piece->at + done);
            if (wrote <= 0) die("synced: write");
            done += wrote;
        }
        free(piece->bytes);
    }
    free(taken->pieces);
    if (durable) close(to);
}

static int synced(int fd, int (*really)(int)) {
    struct taken taken;
    pthread_mutex_lock(&syncing);
    int own = take(fd, &taken);
    int result = really(fd), failed = errno;
    if (own) put(&taken, !result);
    pthread_mutex_unlock(&syncing);
    errno = failed;
    return result;
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
    return synced(fd, REAL(fsync));
}
int fdatasync(int fd) {
    return synced(fd, REAL(fdatasync));
}

/* The file at this path is another one from now on. With both locks held. */
static void forget(const char *path) {
    for (struct file *file = files; file; file = file->next) {
        if (path && !strcmp(file->path, path)) file->count = file->cut = 0;
    }
}

int rename(const char *from, const char *to) {
    char a[PATH_MAX], b[PATH_MAX];
    pthread_mutex_lock(&syncing);
    pthread_mutex_lock(&lock);
    int result = REAL(rename)(from, to), failed = errno;
    if (!result && below(to)) {
        /* What was not synced under its old name is not there under the new one. */
        REAL(unlink)(in_image(below(to), b));
        if (below(from)) REAL(rename)(in_image(below(from), a), b);
        forget(below(to));
        forget(below(from));
    }
    pthread_mutex_unlock(&lock);
    pthread_mutex_unlock(&syncing);
    errno = failed;
    return result;
}
int unlink(const char *path) {
    char image[PATH_MAX];
    pthread_mutex_lock(&syncing);
    pthread_mutex_lock(&lock);
    int result = REAL(unlink)(path), failed = errno;
    if (!result && below(path)) {
        REAL(unlink)(in_image(below(path), image));
        forget(below(path));
    }
    pthread_mutex_unlock(&lock);
    pthread_mutex_unlock(&syncing);
    errno = failed;
    return result;
}
