// A token: plain C, whose exports have the names that the Canonical ABI gives them.
#include <stdbool.h>
#include <stdint.h>

#define EXPORT(name) __attribute__((export_name("market:token/token@1.0.0#" name)))

enum { BUCKETS = 64, ACCOUNTS = 1024 };

struct account {
    uint32_t number;
    struct account *next;
    uint64_t balance;
};

static struct account accounts[ACCOUNTS];
static struct account *buckets[BUCKETS];
static uint32_t count;

// The account with a number; a new one if there is none, so the balance is 0.
static struct account *find(uint32_t number) {
    struct account **bucket = &buckets[(number * 2654435761u) % BUCKETS];
    for (struct account *account = *bucket; account; account = account->next) {
        if (account->number == number) {
            return account;
        }
    }
    if (count == ACCOUNTS) {
        __builtin_trap();
    }
    struct account *account = &accounts[count++];
    account->number = number;
    account->next = *bucket;
    *bucket = account;
    return account;
}

EXPORT("mint")
void mint(uint32_t number, uint64_t amount) {
    struct account *account = find(number);
    if (__builtin_add_overflow(account->balance, amount, &account->balance)) {
        __builtin_trap();
    }
}

EXPORT("transfer")
bool transfer(uint32_t payer, uint32_t payee, uint64_t amount) {
    struct account *from = find(payer), *to = find(payee);
    if (from->balance < amount) {
        return false;
    }
    from->balance -= amount;
    if (__builtin_add_overflow(to->balance, amount, &to->balance)) {
        __builtin_trap();
    }
    return true;
}

EXPORT("balance")
uint64_t balance(uint32_t number) {
    return find(number)->balance;
}

// A string is a pointer and a length, and what is returned is the place of both.
struct string {
    const char *data;
    uint32_t length;
};

EXPORT("symbol")
const struct string *symbol(void) {
    static const struct string text = {"CVM", 3};
    return &text;
}
