/* SPDX-License-Identifier: MIT
 *
 * Failing allocations on the host reference, which has no driver.
 */
#include "fault_points.h"

int main(int argc, char **argv)
{
    static const fault_subject subject = {.backend = "host"};
    return fault_main(&subject, argc, argv);
}
