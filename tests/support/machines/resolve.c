/* Prints name and IPv4 address, line by line, as the programs of a musl image (Alpine) find them. */
#define _POSIX_C_SOURCE 200809L
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>

static int print_addresses(const char *name)
{
    struct addrinfo wish = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *found, *one;
    char text[INET_ADDRSTRLEN];
    int fault = getaddrinfo(name, NULL, &wish, &found);

    if (fault) {
        printf("%s: %s\n", name, gai_strerror(fault));
        return 1;
    }
    for (one = found; one; one = one->ai_next) {
        struct sockaddr_in *address = (struct sockaddr_in *)one->ai_addr;
        printf("%s %s\n", name, inet_ntop(AF_INET, &address->sin_addr, text, sizeof text));
    }
    freeaddrinfo(found);
    return 0;
}

int main(int count, char **words)
{
    int faults = 0;

    for (int i = 1; i < count; i++)
        faults += print_addresses(words[i]);
    return faults != 0;
}
