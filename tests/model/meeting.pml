/* The meeting point of src/run/team.c as a Spin model: W workers meet ROUNDS times. A worker reads the epoch,
 * arrives, and either advances the epoch and wakes the sleepers (the last) or waits: looks, announces itself as a
 * sleeper, looks again and sleeps on the futex, whose own check of the word is atomic with going to sleep.
 *
 * Checked: no deadlock (a lost wake-up would be one), and nobody enters round r + 1 before all have ended round r.
 * -DMUTANT=1 leaves out the second look's guard inside the futex (sleeps whatever the word is): must deadlock.
 * -DMUTANT=2 advances the epoch before clearing the count: must break the phase order or deadlock.
 *
 *     spin -a tests/model/meeting.pml && cc -O2 -DSAFETY -o pan pan.c && ./pan -m100000 */
#ifndef W
#define W 3
#endif
#ifndef ROUNDS
#define ROUNDS 3
#endif
#ifndef MUTANT
#define MUTANT 0
#endif

byte epoch, arrived, sleepers;
bool asleep[W];
byte round_of[W];

inline wake_all() {
    d_step {
        i = 0;
        do
        :: i < W -> asleep[i] = false; i++
        :: else -> break
        od;
        i = 0
    }
}

/* Everyone is in this round, or has gone on to the next after the meeting. */
inline check_order() {
    d_step {
        i = 0;
        do
        :: i < W -> assert(round_of[i] + 1 >= round_of[_pid] && round_of[_pid] + 1 >= round_of[i]); i++
        :: else -> break
        od;
        i = 0
    }
}

active [W] proctype worker() {
    byte i, seen, count;
    do
    :: round_of[_pid] == ROUNDS -> break
    :: else ->
        check_order();
        seen = epoch;
        atomic { arrived++; count = arrived };
        if
        :: count == W ->
#if MUTANT == 2
            epoch++;
            arrived = 0;
#else
            arrived = 0;
            epoch++;
#endif
            if
            :: sleepers > 0 -> wake_all()
            :: else -> skip
            fi
        :: else ->
            do
            :: epoch != seen -> break
            :: epoch == seen ->
                sleepers++;
                if
                :: epoch == seen ->
#if MUTANT == 1
                    asleep[_pid] = true;
#else
                    atomic { if :: epoch == seen -> asleep[_pid] = true :: else -> skip fi };
#endif
                    !asleep[_pid]
                :: else -> skip
                fi;
                sleepers--
            od
        fi;
        round_of[_pid]++
    od
}
