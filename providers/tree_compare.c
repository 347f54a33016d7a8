//  tree_compare.c - owns the question whether two entries are the same.

#include "tree_merge.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int
merge_look (int folder, const char *name, merge_entry_t *ret_entry)
{
    *ret_entry = (merge_entry_t) { .kind = TREE_NONE };
    if (folder < 0)
        return 0;
    struct stat *about = &ret_entry->about;
    if (fstatat (folder, name, about, AT_SYMLINK_NOFOLLOW))
        return errno == ENOENT ? 0 : errno;
    ret_entry->mode = about->st_mode & 0777;
    ret_entry->size = (uint64_t) about->st_size;
    ret_entry->mtime_ns = (int64_t) about->st_mtim.tv_sec * 1000000000 + about->st_mtim.tv_nsec;
    tree_kind_t kind = tree_kind (about->st_mode);
    if (kind == TREE_LINK && !(ret_entry->text = tree_link_text (folder, name)))
        return errno;
    ret_entry->kind = kind;
    return 0;
}

void
merge_entry_free (merge_entry_t *self)
{
    free (self->text);
    self->text = NULL;
}

static merge_answer_t
s_hash (merge_t *self, merge_entry_t *entry, int folder, const char *name)
{
    if (entry->hashed)
        return MERGE_SAME;
    int file = tree_open (folder, name, O_RDONLY);
    if (file < 0)
        return MERGE_UNREADABLE;
    struct stat about;
    tree_content_t content;
    tree_pump_t answer = PUMP_READ_FAILED;
    if (fstat (file, &about) == 0) {
        if (S_ISREG (about.st_mode))
            answer = tree_pump (&self->job, file, &about, -1, &content, self->err);
        else
            errno = ELOOP;
    }
    int saved = errno;
    close (file);
    errno = saved;
    if (answer == PUMP_STOPPED)
        return MERGE_FAILED;
    if (answer != PUMP_DONE)
        return MERGE_UNREADABLE;
    entry->hashed = true;
    entry->hash = content.hash;
    entry->size = content.size;
    return MERGE_SAME;
}

merge_answer_t
merge_compare (merge_t *self, merge_entry_t *a, int a_folder, const char *a_name,
               merge_entry_t *b, int b_folder, const char *b_name)
{
    if (a->kind != b->kind || a->kind == TREE_OTHER)
        return MERGE_DIFFERENT;
    if (a->kind == TREE_LINK)
        return strcmp (a->text, b->text) == 0 ? MERGE_SAME : MERGE_DIFFERENT;
    if (a->kind != TREE_FILE)
        return MERGE_SAME;
    if (a->size != b->size || (a->mode & 0100) != (b->mode & 0100))
        return MERGE_DIFFERENT;
    if ((a_folder < 0 || b_folder < 0) && a->mtime_ns == b->mtime_ns && !a->unsure && !b->unsure)
        return MERGE_SAME;
    merge_answer_t answer = s_hash (self, a, a_folder, a_name);
    if (answer == MERGE_SAME)
        answer = s_hash (self, b, b_folder, b_name);
    if (answer != MERGE_SAME)
        return answer;
    return a->size == b->size && XXH128_isEqual (a->hash, b->hash) ? MERGE_SAME : MERGE_DIFFERENT;
}
