//  symbols.h - the names that libberth's functions have in the library, where they are called more
//  briefly in C: everything it exports begins with berth_ (libberth.map).

#ifndef BERTH_SYMBOLS_H_INCLUDED
#define BERTH_SYMBOLS_H_INCLUDED

//  The same for a table that a macro declares.
#define BERTH_SYMBOL(name) __asm__ ("berth_" name)

//  activity.h
#pragma redefine_extname action_text berth_action_text
#pragma redefine_extname action_entity berth_action_entity

//  arena.h
#pragma redefine_extname arena_new berth_arena_new
#pragma redefine_extname arena_destroy berth_arena_destroy
#pragma redefine_extname arena_clear berth_arena_clear
#pragma redefine_extname arena_take berth_arena_take
#pragma redefine_extname arena_text berth_arena_text
#pragma redefine_extname arena_string berth_arena_string
#pragma redefine_extname arena_copy berth_arena_copy
#pragma redefine_extname arena_printf berth_arena_printf
#pragma redefine_extname arena_used berth_arena_used

//  codec.h
#pragma redefine_extname any_get berth_any_get
#pragma redefine_extname any_is_null berth_any_is_null
#pragma redefine_extname any_text berth_any_text
#pragma redefine_extname any_number berth_any_number
#pragma redefine_extname any_truth berth_any_truth
#pragma redefine_extname any_each berth_any_each
#pragma redefine_extname any_count berth_any_count
#pragma redefine_extname any_equal berth_any_equal
#pragma redefine_extname any_merge berth_any_merge
#pragma redefine_extname any_set berth_any_set
#pragma redefine_extname any_set_text berth_any_set_text
#pragma redefine_extname any_set_number berth_any_set_number
#pragma redefine_extname any_set_truth berth_any_set_truth

//  requests.h
#pragma redefine_extname actor_text berth_actor_text
#pragma redefine_extname request_row berth_request_row
#pragma redefine_extname request_code berth_request_code
#pragma redefine_extname role_text berth_role_text
#pragma redefine_extname capability_text berth_capability_text
#pragma redefine_extname capability_doc berth_capability_doc

#endif
