/* Doubly linked lists whose links are embedded in what they link: nothing is allocated, and whoever is in
 * one can leave it without a search. */
#ifndef WARD_BASE_LIST_H
#define WARD_BASE_LIST_H

#include <stdbool.h>

/* A head or a member. A head that links to itself is an empty list. */
struct ward_link {
	struct ward_link *prev, *next;
};

static inline void
ward_list_init(struct ward_link *head)
{
	head->prev = head->next = head;
}

static inline bool
ward_list_empty(const struct ward_link *head)
{
	return head->next == head;
}

static inline void
ward_list_append(struct ward_link *head, struct ward_link *member)
{
	member->prev = head->prev;
	member->next = head;
	head->prev->next = member;
	head->prev = member;
}

/* Leaves the list that it is in, if any: a member outside of lists is zeroed or has left before. */
static inline void
ward_list_leave(struct ward_link *member)
{
	if (!member->next)
		return;
	member->prev->next = member->next;
	member->next->prev = member->prev;
	member->prev = member->next = (struct ward_link *)0;
}

#endif
